"""What a network is given, whatever people have: the same pixels, or a line that says why not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from nas.errors import DataError, NasError, ShapeError
from nas.training.inputs import BATCH, batches

GREY, COLOUR = (1, 6, 5), (3, 6, 5)
rng = np.random.default_rng(0)
grey = rng.integers(0, 256, (4, *GREY), dtype=np.uint8)
colour = rng.integers(0, 256, (4, *COLOUR), dtype=np.uint8)


def read(images, shape, **options):
    return torch.cat(list(batches(images, shape, **options)))


def pil(image):
    return Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def files(images, folder):
    for number, image in enumerate(images):
        pil(image).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(len(images))]


FORMS = {
    "N,C,H,W": lambda x: x,
    "N,H,W,C": lambda x: x.transpose(0, 2, 3, 1),
    "a tensor": torch.tensor,
    "integers": lambda x: torch.tensor(x).long(),
    "0 to 255 as real numbers": lambda x: x.astype(np.float64),
    "0 to 1": lambda x: torch.tensor(x) / 255,
    "half precision": lambda x: torch.tensor(x).half(),
    "ToTensor": lambda x: [to_tensor(pil(one)) for one in x],
    "PIL": lambda x: [pil(one) for one in x],
    "a generator of arrays": lambda x: (one for one in x),
    "a mixture": lambda x: [x[0], pil(x[1]), torch.tensor(x[2:])],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("images", "shape"), [(grey, GREY), (colour, COLOUR)])
def test_the_same_images_in_any_form_are_the_same_pixels(images, shape, form):
    found = read(form(images), shape)
    assert (found.dtype, found.shape) == (torch.float32, images.shape)
    torch.testing.assert_close(found, torch.tensor(images).float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("images", "shape"), [(grey, GREY), (colour, COLOUR)])
def test_one_image_is_a_batch_of_one(images, shape, tmp_path):
    (path,) = files(images[:1], tmp_path)
    one = images[0]
    for form in (one, one.transpose(1, 2, 0), torch.tensor(one), pil(one), path, str(path), [path]):
        assert torch.equal(read(form, shape), torch.tensor(images[:1]).float())


def test_grey_images_need_no_axis_of_channels():
    for form in (grey[:, 0], torch.tensor(grey[:, 0])):
        assert torch.equal(read(form, GREY), torch.tensor(grey).float())
    assert torch.equal(read(grey[0, 0], GREY), torch.tensor(grey[:1]).float())


def test_many_images_come_in_batches_in_their_order():
    many = rng.integers(0, 256, (2 * BATCH + 7, 1, 2, 2), dtype=np.uint8)
    found = list(batches([many[: BATCH + 1], *many[BATCH + 1 :]], (1, 2, 2)))
    assert [len(one) for one in found] == [BATCH, BATCH, 7]
    assert torch.equal(torch.cat(found), torch.tensor(many).float())


@pytest.mark.parametrize("form", ["array", "tensor of 0 to 1", "PIL", "file"])
def test_images_of_another_size_are_resized_as_the_data_sets_are(form, tmp_path):
    large = np.kron(grey[:1], np.ones((4, 4), np.uint8))  # each pixel as 4×4
    given = {
        "array": large,
        "tensor of 0 to 1": torch.tensor(large) / 255,
        "PIL": pil(large[0]),
        "file": files(large, tmp_path)[0],
    }[form]
    with pytest.raises(ShapeError, match="has 24×20 pixels, the network was trained on 6×5; acc"):
        read(given, GREY)
    by_pil = pil(large[0]).resize((5, 6), Image.Resampling.BILINEAR)
    found = read(given, GREY, resize=True)
    assert torch.allclose(found[0, 0], torch.tensor(np.array(by_pil)).float(), atol=1.5)


def test_the_value_that_is_white_can_be_said():
    wide = grey.astype(np.uint16) * 257
    found = read(wide, GREY, scale=65535)
    torch.testing.assert_close(found, torch.tensor(grey).float())
    black = np.zeros((1, *GREY))
    assert not read(black, GREY).any()
    binary = (grey > 100).astype(float)
    assert torch.equal(read(binary, GREY, scale=1), torch.tensor(255 * binary).float())
    assert torch.equal(read(binary, GREY, scale=255), torch.tensor(binary).float())


square, wide = np.zeros((3, 3, 3), np.uint8), np.zeros((3, 12, 10), np.uint8)
REFUSED = [
    (colour, GREY, {}, r"images is colour, .* trained on images that are grey; .*convert\('L'\)"),
    (grey, COLOUR, {}, r"images is grey, .* that are colour; accepted: colour ones, .*'RGB'"),
    (grey[0, 0], COLOUR, {}, "images is grey"),
    ([grey[0], pil(colour[0])], GREY, {}, r"^images\[1\] is colour"),
    (wide.transpose(1, 2, 0), GREY, {"resize": True}, "images is colour"),  # not 12 grey ones
    (wide.transpose(1, 2, 0), GREY, {}, "images is colour"),
    (wide, GREY, {"resize": True}, r"shape \(3, 12, 10\), which can be no images"),  # three?
    (colour[0], GREY, {}, r"shape \(3, 6, 5\), which can be no .* accepted: \(N, 1, 6, 5\) or"),
    (np.zeros((12, 10, 4), np.uint8), GREY, {"resize": True}, r"shape \(12, 10, 4\), which can"),
    (np.zeros((12, 10, 4), np.uint8), COLOUR, {"resize": True}, r"shape \(12, 10, 4\), which ca"),
    ([Image.fromarray(grey[0, 0].astype(np.int32))], GREY, {},
     r"^images\[0\] has more than 8 bits a pixel, of which the largest is 248: whether 255 or"),
    ([pil(grey[0])], COLOUR, {}, r"^images\[0\] is grey"),
    (np.zeros((2, 4, 6, 5), np.uint8), GREY, {}, r"shape \(2, 4, 6, 5\), which can be no images"),
    (np.zeros((2, 2, 1, 6, 5), np.uint8), GREY, {}, "can be no images of 1×6×5 for certain"),
    (np.zeros(30, np.uint8), GREY, {}, r"accepted: \(N, 1, 6, 5\) or \(H, W\)"),
    (square, COLOUR, {"resize": True}, "for certain"),  # which axis has the channels?
    (np.zeros((1, 9, 1), np.uint8), GREY, {"resize": True}, "for certain"),
    (grey / 255 - 0.5, GREY, {}, r"values are -0.5 to .*; accepted: pixels of 0 to 1 or of 0 to"),
    (grey * np.nan, GREY, {}, "values are nan to nan"),
    (np.full((1, *GREY), np.inf), GREY, {}, "values are inf to inf"),
    (grey.astype(np.int64) * 200, GREY, {}, "accepted: 0 to 1, 0 to 255, or scale"),
    (grey / 200, GREY, {}, "whether 1 or 255 is white cannot be told; say scale=1 or scale=255"),
    ((grey > 99).astype(int), GREY, {}, "are 0 to 1, no other ones: whether 1 or 255"),
    (grey // 16 / 1.0, GREY, {}, "are 0 to 15: whether 15 or 255 is white cannot be told; say sc"),
    ([grey[0] / 255, grey[1] / 1.0], GREY, {}, "of some images 0 to 1 alone: whether 1 or 255"),
    ([grey[0] / 255, grey[1] * np.nan], GREY, {}, "values are nan to nan"),
    ([grey[0] / 255, grey[1] * np.nan], GREY, {"scale": 1}, "values are nan to nan"),
    (grey, GREY, {"scale": 1}, "scale is 1, but of bytes, as of files and uint8, 255 is white"),
    (grey / 1.0, GREY, {"scale": 1}, "above scale, which is 1 and stands for white"),
    (grey / 1.0, GREY, {"scale": "1"}, "scale is '1'; accepted: the value that is white"),
    (grey / 1.0, GREY, {"scale": 0}, "scale is 0; accepted: the value that is white"),
    (grey / 1.0, GREY, {"scale": float("nan")}, "scale is nan"),
    (grey > 99, GREY, {}, "is of type bool; accepted: uint8 of 0 to 255, or real numbers"),
    (torch.tensor(grey) > 99, GREY, {}, "is of type bool"),
    (torch.zeros(GREY, device="meta"), GREY, {}, "a tensor without numbers"),
    (np.array([["a"]]), GREY, {}, "is of type <U1"),
    (np.array([[None]]), GREY, {}, "is of type object"),
    (7, GREY, {}, "images is a int; accepted: files, PIL images, NumPy arrays or tensors"),
    (None, GREY, {}, "images is a NoneType"),
    (b"image", GREY, {}, "images is a bytes"),
    ([[0, 1], [2, 3]], GREY, {}, r"images\[0\] is a list"),
    ([], GREY, {}, "images: there is none"),
    (np.zeros((0, *GREY), np.uint8), GREY, {}, "images: there is none"),
    (np.zeros((2, 1, 0, 5), np.uint8), GREY, {"resize": True}, "no pixel"),
    ("nothing\x1b[2J.png", GREY, {}, r"nothing\\u001b\[2J.png.*cannot be read as an image"),
    (str(Path(__file__)), GREY, {}, r"test_inputs.py: cannot be read as an image \("),
]  # fmt: skip


@pytest.mark.parametrize(("images", "shape", "options", "said"), REFUSED)
def test_what_is_not_certain_is_refused_by_name(images, shape, options, said):
    with pytest.raises(NasError, match=said) as refused:
        batches(images, shape, **options)  # before the first batch
    assert isinstance(refused.value, DataError)
    assert str(refused.value).isprintable()
