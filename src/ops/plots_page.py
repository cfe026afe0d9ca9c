"""Write the page into which `dvc plots show` puts its charts, with all JavaScript inside, so that it loads nothing.

    python -m src.ops.plots_page        (make runs it when it installs)

DVC's own page loads three scripts from the network. Ours is .dvc/plots.html, which `plots.html_template` in .dvc/config names;
Git ignores it, because it is large and follows from the version of vl-convert-python. While it is missing, DVC says
"HTML template has to contain '{plot_divs}'": run this command then.
"""

from pathlib import Path

from src.core.command import command_line, run_command
from src.core.errors import InputError
from src.core.files import write_text

PAGE = Path(".dvc/plots.html")
VEGA_LITE = "5.21"  # the newest of version 5, in which DVC's templates are written

# DVC puts a <div> for each chart in place of {plot_divs}; a script in it calls vegaEmbed with a variable of its own. So our
# script stands before it, in a function that keeps the bundle's many names from the page. DVC leaves all other braces alone.
TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    {refresh_tag}
    <title>Plots</title>
    <script>(() => {SCRIPT})();</script>
    <style>body { font-family: sans-serif; } table { border-spacing: 15px; }</style>
</head>
<body>
    {plot_divs}
</body>
</html>
"""

# Of the flat files of figures that stand under `plots` in dvc.yaml DVC makes empty charts.
EMBED = "window.vegaEmbed = (place, chart) => 'data' in chart ? vegaEmbed(place, chart) : document.querySelector(place).remove();"


def page() -> str:
    """The HTML page: Vega, Vega-Lite and Vega-Embed, which defines `window.vegaEmbed`, and the place for the charts.

    InputError if vl-convert-python, which carries the three, brings something that would break the page.
    """
    import vl_convert

    script = vl_convert.javascript_bundle(EMBED, VEGA_LITE)
    for text, purpose in (("</script", "ends a script"), ("{plot_divs}", "stands for the charts")):
        if text in script:
            raise InputError(f"the JavaScript of vl-convert-python holds {text!r}, which {purpose}; install the locked version")
    return TEMPLATE.replace("SCRIPT", script)


def main() -> None:
    command_line("python -m src.ops.plots_page", __doc__).parse_args()
    if not PAGE.parent.is_dir():
        raise InputError(f"{PAGE.parent} is not here; run this from the repository's root")
    write_text(PAGE, page())


if __name__ == "__main__":
    run_command(main)
