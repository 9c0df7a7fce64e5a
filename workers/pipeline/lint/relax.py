"""GitLab's schema made to judge as GitLab's own linter does, and usable without look-ups.

The schema was made for an editor. The changes here take back refusals that the linter does not
share, and add a few that it has; each names where that can be read. Everything else stays as
GitLab wrote it.
"""

from __future__ import annotations

import copy
from typing import Any, Final

Schema = dict[str, Any]

_NOTES: Final = frozenset(("description", "markdownDescription", "default", "examples", "format"))
# Below these, the keys are names of the file and not keywords of the schema.
_NAMED: Final = frozenset(("properties", "patternProperties", "definitions", "dependencies"))

_AKEYLESS: Final = (
    *("name", "data_key", "cert_user_name", "public_key_data", "csr_data", "akeyless_api_url"),
    *("akeyless_access_type", "akeyless_token", "uid_token", "gcp_audience", "azure_object_id"),
    *("k8s_service_account_token", "k8s_auth_config_name", "akeyless_access_key"),
    "gateway_ca_certificate",
)


def relaxed(original: Schema) -> Schema:
    """A changed copy: without `$ref`, without what GitLab's linter does not ask for."""
    schema = copy.deepcopy(original)
    definitions = schema["definitions"]
    job = definitions["job_template"]["properties"]
    _globals(schema, definitions)
    _jobs(schema, definitions, job)
    _needs(job)
    _stricter(definitions)
    _inline(schema, definitions, set())
    _bare(schema, set())
    return schema


def _globals(schema: Schema, definitions: Schema) -> None:
    # Two equal stage names are one stage (`stages.uniq`); the validator warns instead.
    schema["properties"]["stages"].pop("uniqueItems", None)
    # Kept for old files (gitlab-org/gitlab#436473); unknown keys of `workflow` are refused.
    rule = schema["properties"]["workflow"]["properties"]["rules"]["items"]
    for key in ("start_in", "allow_failure", "needs"):
        rule["properties"][key] = {}
    schema["properties"]["workflow"]["additionalProperties"] = False
    # A variable's value may be a number (lib/gitlab/ci/config/entry/variable.rb).
    for name in ("globalVariables", "jobVariables"):
        complex_form = definitions[name]["patternProperties"][".*"]["oneOf"][1]["properties"]
        for key in {"value", "description"} & set(complex_form):
            complex_form[key]["type"] = ["string", "number", "boolean"]
        # A variable without a value is an empty one (lib/gitlab/config/entry/composable_hash.rb).
        definitions[name]["patternProperties"][".*"]["oneOf"][0]["type"].append("null")
    # Only the end of the name counts, and `*` may stand before it (external/file/base.rb).
    definitions["include_item"]["oneOf"][0]["pattern"] = r"[^/]\.ya?ml$"
    # A file name may come from a variable, which no pattern can see through.
    _allow_variables(definitions["include_item"])


def _jobs(schema: Schema, definitions: Schema, job: Schema) -> None:
    # `/…/` may carry flags (lib/gitlab/untrusted_regexp/ruby_syntax.rb).
    job["coverage"]["pattern"] = "^/.+/[ismU]*$"
    # Every default can be inherited or not (lib/gitlab/ci/config/entry/inherit/default.rb).
    names = job["inherit"]["properties"]["default"]["oneOf"][1]["items"]["enum"]
    defaults = schema["properties"]["default"]["properties"]
    names.extend(n for n in defaults if n not in names and n != "!reference")
    _allow_variables(job["trigger"])
    # URLs of an environment are expanded at run time.
    job["environment"]["oneOf"][1]["properties"]["url"].pop("pattern", None)
    # An empty list of paths is a list of strings (lib/gitlab/ci/config/entry/artifacts.rb).
    for name in ("paths", "exclude"):
        definitions["artifacts"]["properties"][name].pop("minItems", None)
    # An empty list is a list of strings (lib/gitlab/ci/config/entry/imageable.rb).
    definitions["image"]["oneOf"][1]["properties"]["entrypoint"].pop("minItems", None)
    # Reports that GitLab still takes (lib/gitlab/ci/config/entry/reports.rb).
    reports = definitions["artifacts"]["properties"]["reports"]["properties"]
    for name in ("cluster_image_scanning", "requirements_v2", "performance"):
        reports.setdefault(name, {"$ref": "#/definitions/string_file_list"})
    _akeyless(definitions["secrets"]["patternProperties"][".*"])
    # A single path (lib/gitlab/ci/config/entry/rules/rule/exists.rb, `SimpleExists`).
    definitions["exists"]["anyOf"].append({"type": "string"})
    # Dates are checked where their meaning is (lib/gitlab/ci/config/entry/release.rb).
    release = job["release"]["properties"]
    release["released_at"].pop("pattern", None)
    release["milestones"] = {"anyOf": [release["milestones"], {"type": "string"}]}


def _akeyless(secret: Schema) -> None:
    """A provider that the schema lacks (ee/lib/gitlab/ci/config/entry/akeyless/secret.rb)."""
    text: Schema = {"type": "string"}
    fields = dict.fromkeys(_AKEYLESS, text)
    provider = {"type": "object", "properties": fields, "additionalProperties": False}
    secret["properties"]["akeyless"] = provider
    secret["anyOf"].append({"required": ["akeyless"]})


def _needs(job: Schema) -> None:
    """`needs:pipeline` without a job mirrors an upstream pipeline; one need may stand alone."""
    listed = job["needs"]
    items = listed["items"]["oneOf"]
    mirror: Schema = {"type": "object", "required": ["pipeline"], "additionalProperties": False}
    mirror["properties"] = {"pipeline": {"type": "string"}}
    single = [item for item in items if item.get("type") == "object"]
    items.append(mirror)
    job["needs"] = {"anyOf": [listed, *single, mirror]}


def _stricter(definitions: Schema) -> None:
    """What the linter refuses and the schema lets pass: unknown keys, missing formats."""
    # lib/gitlab/ci/config/entry/{cache,key}.rb
    cache = definitions["cache_item"]
    cache["additionalProperties"] = False
    cache["properties"]["key"]["oneOf"][1]["additionalProperties"] = False
    # lib/gitlab/ci/config/entry/reports/coverage_report.rb
    reports = definitions["artifacts"]["properties"]["reports"]["properties"]
    reports["coverage_report"]["required"] = ["coverage_format", "path"]
    reports["coverage_report"]["additionalProperties"] = False


def _allow_variables(schema: Any) -> None:
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and "ya?ml" in pattern:
            schema["pattern"] = rf"(?i:{pattern})|\$"
        for value in schema.values():
            _allow_variables(value)
    elif isinstance(schema, list):
        for value in schema:
            _allow_variables(value)


def _bare(schema: Any, seen: set[int]) -> None:
    """Drop what only an editor shows, so that `{"type": "string"}` can be known at a glance."""
    if id(schema) in seen or not isinstance(schema, dict):
        return
    seen.add(id(schema))
    for note in _NOTES & set(schema):
        del schema[note]
    for key, value in schema.items():
        inner = value.values() if key in _NAMED else value if isinstance(value, list) else [value]
        for item in inner:
            _bare(item, seen)


def _inline(node: Any, definitions: Schema, seen: set[int]) -> None:
    """Put the definitions themselves where `$ref` names them; a circle stays a circle."""
    if id(node) in seen or not isinstance(node, (dict, list)):
        return
    seen.add(id(node))
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        while isinstance(value, dict) and isinstance(value.get("$ref"), str):
            value = definitions[value["$ref"].rpartition("/")[2]]
        node[key] = value
        _inline(value, definitions, seen)
