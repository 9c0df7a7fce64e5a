"""A small stateful GitLab over HTTP: the demo's, and the tests' double.

`repository` and `state` hold what GitLab knows; `rest`, `graphql` and `admin` are its HTTP face;
`hooks` sends deliveries, `pipelines` walks pipelines through their states, `faults` breaks answers,
`journal` records every call. `server.create_sandbox` joins them. Nothing here runs anybody's code:
jobs of a pipeline are simulated, and their traces say so.
"""
