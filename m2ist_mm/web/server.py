"""Serves the page."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from .examples import Example
from .grounding_service import GroundingService
from .upload_folder import UploadFolder

CSS = Path(__file__).with_name('page.css')
FORM_BYTES = 2**16  # of an upload's request, beside the file


def serve(
    service: GroundingService,
    examples: Sequence[Example],
    model_name: str,
    host: str = '127.0.0.1',
    port: int | None = None,
) -> None:
    """Serve the page until the program is stopped.

    Args:
        service: Does the work.
        examples: Images with sentences to begin with.
        model_name: What the model is called.
        host: Address to listen on; the loopback address takes no one from elsewhere.
        port: Port to listen on; a free one from 7860 on unless given.

    Raises:
        ImportError: gradio is not installed.
        OSError: The port is taken, or the address is none of this machine.
    """
    limits = service.limits
    with UploadFolder(limits.upload_seconds) as folder:
        # read by gradio when it is imported and when it starts
        os.environ['GRADIO_TEMP_DIR'] = str(folder.path)
        os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
        try:
            import gradio as gr
            from starlette.middleware import Middleware
        except ImportError as error:
            raise ImportError(
                f'{error}: the page needs gradio 6: pip install -r '
                'requirements/demo.txt -c requirements/tested.txt'
            ) from error
        from .guard import Guard
        from .image_routes import image_routes
        from .page import build_page

        guard = Middleware(
            Guard,
            max_bytes=limits.upload_bytes + FORM_BYTES,
            is_full=lambda: folder.size() > limits.folder_bytes,
        )
        page = build_page(service, examples, model_name, folder.path)
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                inbrowser=False,
                quiet=True,
                prevent_thread_lock=True,
                max_file_size=limits.upload_bytes,
                state_session_capacity=limits.sessions,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                # else gradio gives up where its own page is not back within 3 seconds
                _frontend=False,
                app_kwargs=dict(
                    routes=image_routes(service.memory),
                    middleware=[guard],
                    docs_url=None,
                    redoc_url=None,
                    openapi_url=None,
                ),
                theme=gr.themes.Default(
                    primary_hue='blue',
                    font=['system-ui', 'sans-serif'],
                    font_mono=['ui-monospace', 'monospace'],
                ),
                css=CSS.read_text(encoding='utf-8'),
            )
        except OSError as error:
            ports = port or '7860 to 7959'
            raise OSError(
                f'the page cannot listen on {host}, port {ports}: give another --host '
                'or --port'
            ) from error
        print(f'{url} (stop it with Ctrl-C)', flush=True)
        try:
            while True:
                time.sleep(30)
                service.memory.forget_idle()
        finally:
            page.close(verbose=False)
