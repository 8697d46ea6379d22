"""Run the command line: `python -m microfacial`."""

from microfacial.pipeline.cli import run

if __name__ == "__main__":
    run()
