"""Options that many commands of the controller have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dir = Annotated[
    Path | None, typer.Option("--dir", help="The controller's state folder.", show_default=False)
]
Config = Annotated[Path | None, typer.Option("--config", help="Read this file instead of /etc.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Show the newest so many.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
