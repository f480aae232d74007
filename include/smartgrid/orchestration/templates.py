"""Templates that keep the type of what they name."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Undefined, UndefinedError

_WHOLE_EXPRESSION = re.compile(r"^\s*\{\{((?:(?!\{\{|\}\}|\{%|%\}).)+)\}\}\s*$", re.DOTALL)


class NativeArguments:
    """Mixin for operators: a value that is one whole `{{ expression }}` keeps the expression's type.

    Airflow's `render_template_as_native_obj` parses every rendered text as a Python literal, so a zone named "1"
    would become a number. Here `{{ params.budget_s }}` is the integer, `{{ ti.xcom_pull(...)['zone'] }}` the text.
    """

    def render_template(
        self, content: Any, context: Any, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        already_rendered = seen_oids is not None and id(content) in seen_oids
        match = _WHOLE_EXPRESSION.match(content) if isinstance(content, str) and not already_rendered else None
        if match is None:
            return super().render_template(content, context, jinja_env, seen_oids)  # type: ignore[misc]
        environment = jinja_env or self.get_template_env()  # type: ignore[attr-defined]
        value = environment.compile_expression(match.group(1), undefined_to_none=False)(**context)
        if isinstance(value, Undefined):
            raise UndefinedError(f"{content.strip()} names nothing in this run")
        return value
