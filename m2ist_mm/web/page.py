"""The page itself: its components, and which of them asks what."""

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from . import views
from .examples import Example
from .grounding_service import GroundingService
from .session import Session

INTRODUCTION = """
# Find what a sentence names

Choose an image and write one sentence per line: each gets one box. **The model always
answers**, also where the image does not show what the sentence says, and it gives no
score.
"""
CHOOSE_EXAMPLE = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-example]');
  if (button) trigger('click', {number: Number(button.dataset.example)});
});
"""


def build_page(
    service: GroundingService,
    examples: Sequence[Example],
    model_name: str,
    upload_folder: Path,
) -> gr.Blocks:
    """Build the page, after a trial of the model.

    Args:
        service: Does the work.
        examples: Images with sentences to begin with.
        model_name: What the model is called.
        upload_folder: Where gradio puts uploads; no other file is read.
    """
    limits = service.limits
    layers, heads = service.attention_shape(examples[0]) or (0, 0)

    async def keep_in_place(path):
        """Take an upload where it lies; gradio would fetch what is named by URL."""
        if not Path(path or '').resolve().is_relative_to(upload_folder.resolve()):
            raise gr.Error('Upload a file.', print_exception=False)
        return path

    def as_sent(value):
        """Take any value; gradio would print what is wrong with it as a traceback."""
        return value

    def open_upload(session, path, text):
        session = session or Session()
        view = _view(lambda: service.open_upload(session, path), session, text)
        return session, None, view, ''

    def open_example(session, event: gr.EventData):
        session = session or Session()
        try:
            number = event.number
        except (AttributeError, TypeError):  # the event says nothing
            number = None
        if type(number) is not int or not 0 <= number < len(examples):
            line = f'There are examples 0 to {len(examples) - 1}.'
            return session, gr.skip(), views.error_view(line), ''
        example = examples[number]
        text = '\n'.join(example.sentences)
        view = _view(lambda: service.open_example(session, example), session, text)
        return session, text, view, ''

    def ask(session, text):
        session = session or Session()
        return session, _view(None, session, text), ''

    def attend(session, number, layer, head):
        try:
            drawn = service.attend(session or Session(), number, layer, head)
        except ValueError as error:
            return views.error_view(str(error))
        return views.attention_view(*drawn)

    def _view(
        open_image: Callable[[], object] | None, session: Session, text: str
    ) -> str:
        """Open an image and ask it; what is wrong with either is one line."""
        answer = error = None
        text = text or ''
        try:
            if open_image is not None:
                open_image()
            if open_image is None or text.strip():
                answer = service.ask(session, text)
        except (OSError, ValueError) as wrong:
            error = str(wrong)
        image = service.memory.find(session.image)
        if image is None:
            return views.error_view(error)
        return views.image_view(image, answer, error)

    with gr.Blocks(title='m2ist_mm', analytics_enabled=False) as page:
        session = gr.State(None, time_to_live=limits.idle_seconds)
        gr.Markdown(INTRODUCTION, elem_classes='intro')
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                upload = gr.File(
                    label=f'Image (at most {limits.upload_bytes / 2**20:.0f} MB and '
                    f'{limits.pixels / 1e6:g} million pixels)',
                    height=150,
                    elem_id='upload',
                )
                upload.async_move_resource_to_block_cache = keep_in_place
                text = gr.Textbox(
                    label='Sentences, one per line',
                    placeholder='the man in the red shirt\nthe dog on the left',
                    lines=4,
                    max_lines=limits.sentences,
                    max_length=limits.sentences * (limits.characters + 1),
                    elem_id='sentences',
                )
                button = gr.Button('Find', variant='primary', elem_id='find')
                gr.Markdown(views.examples_title(examples))
                chosen = gr.HTML(
                    views.examples_view(examples),
                    js_on_load=CHOOSE_EXAMPLE,
                    elem_id='examples',
                )
            with gr.Column(scale=3, min_width=300):
                result = gr.HTML(views.NOTHING_YET, elem_id='result')
                with gr.Accordion(
                    'Where the model looked', open=False, visible=layers > 0
                ):
                    with gr.Row():
                        number = gr.Number(
                            1, label='Sentence', precision=0, minimum=1, min_width=80
                        )
                        layer = gr.Dropdown(
                            [(f'layer {n}', n) for n in range(1, layers + 1)],
                            value=layers or None,
                            label='Layer',
                            min_width=100,
                        )
                        head = gr.Dropdown(
                            [('mean of all', 0)]
                            + [(f'head {n}', n) for n in range(1, heads + 1)],
                            value=0,
                            label='Head',
                            min_width=120,
                        )
                        look = gr.Button(
                            'Show attention', elem_id='look', min_width=120
                        )
                    for component in (number, layer, head):
                        component.preprocess = as_sent  # the service checks them
                    attention = gr.HTML(elem_id='attention')
        gr.Markdown(
            f'Model: {html.escape(model_name)}. Uploads are deleted within a '
            f'minute, images are forgotten {limits.idle_seconds // 60} minutes after '
            'the last question.'
        )

        common = dict(
            concurrency_id='model',
            concurrency_limit=1,
            api_visibility='private',
            scroll_to_output=True,
        )
        upload.upload(
            open_upload,
            [session, upload, text],
            [session, upload, result, attention],
            **common,
        )
        chosen.click(
            open_example, session, [session, text, result, attention], **common
        )
        gr.on(
            [button.click, text.submit],
            ask,
            [session, text],
            [session, result, attention],
            **common,
        )
        look.click(attend, [session, number, layer, head], attention, **common)
    return page.queue(max_size=limits.waiting)
