"""Copies src/ to out/ (or $OUT), with the content's hash in the names of script and style: such files may be cached
for ever. Writes build.json from DX_VERSION and DX_COMMIT. Nothing of an environment is built in, so that one build can
be promoted through all of them; the page asks `/.well-known/dx` where it is."""

import hashlib
import json
import os
import pathlib
import shutil

HASHED = ("app.css", "app.js")

here = pathlib.Path(__file__).resolve().parent
out = pathlib.Path(os.environ.get("OUT") or here / "out")
shutil.rmtree(out, ignore_errors=True)
shutil.copytree(here / "src", out)

assets = out / "assets"
assets.mkdir()
names = {}
for name in HASHED:
    source = out / name
    stem, suffix = name.split(".")
    names[name] = f"assets/{stem}.{hashlib.sha256(source.read_bytes()).hexdigest()[:10]}.{suffix}"
    source.rename(out / names[name])

for page in out.glob("*.html"):
    text = page.read_text()
    for name, hashed in names.items():
        text = text.replace(f'"/{name}"', f'"/{hashed}"')
    page.write_text(text)

facts = {"version": os.environ.get("DX_VERSION") or "1.0.0", "commit": os.environ.get("DX_COMMIT") or None}
(out / "build.json").write_text(json.dumps(facts) + "\n")
print(f"{sum(1 for path in out.rglob('*') if path.is_file())} files in {out}")
