"""`python -m tf_serving.embedded --port 8500 --rest_api_port 8501 --model_name M --model_base_path DIR`."""

from __future__ import annotations

import sys

from tf_serving.embedded.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
