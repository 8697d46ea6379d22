from fakes import texture
from microfacial.report.canvas import Canvas, wrap


def test_images_are_pasted_pixel_by_pixel() -> None:
    canvas, image = Canvas(40, 30), texture(10, 20)
    image[..., 0] //= 2
    canvas.paste(image, 5, 3)
    pixels = canvas.to_image()
    assert (pixels[3:13, 5:25] == image).all()
    pixels[3:13, 5:25] = 255
    assert (pixels == 255).all()


def test_text_lies_above_images_and_right_of_its_place() -> None:
    canvas = Canvas(60, 30)
    canvas.paste(texture(30, 60) // 4 + 190, 0, 0)
    before = Canvas(60, 30)
    before.paste(texture(30, 60) // 4 + 190, 0, 0)
    canvas.write("I", 30, 8, colour="#000000")
    rows, columns = (canvas.to_image() != before.to_image()).any(axis=2).nonzero()
    assert 30 <= columns.min() < columns.max() < 36
    assert 8 <= rows.min() < rows.max() <= 21


def test_text_is_broken_at_the_width_and_cut_at_the_last_line() -> None:
    assert wrap("one two", 1000) == "one two"
    assert wrap("one two", 30) == "one\ntwo"
    assert wrap("12+14+R4", 55) == "12+14+\nR4"
    assert wrap("wordwithoutend", 30) == "wordwithoutend"
    assert wrap("a bb cc dd ee ff", 32, max_lines=2).endswith(" …")
    assert wrap("a bb cc dd ee ff", 32, max_lines=2).count("\n") == 1
