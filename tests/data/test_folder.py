"""Images in folders of their classes: order, parts, formats, and what is refused."""

import numpy as np
import pytest
from data.sets import pixels
from PIL import Image

from nas.data import cache, open_dataset
from nas.errors import DataError, ShapeError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory, monkeypatch):
    """Nothing of this test stays in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAS_CACHE", str(folder))
    return folder


def save(path, pixels, **options):
    """A (C, H, W) image; its format is that of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = len(pixels) == 1
    Image.fromarray(pixels[0] if grey else pixels.transpose(1, 2, 0)).save(path, **options)


@pytest.fixture
def birds(tmp_path):
    """Six grey images of two classes, numbered across them."""
    images = pixels(6, side=5)
    for number, label in enumerate(["wren", "owl", "owl", "wren", "owl", "wren"]):
        save(tmp_path / "birds" / label / f"{number:03}.png", images[number])
    return tmp_path / "birds"


def test_images_are_in_the_order_of_their_names_and_classes_of_theirs(birds):
    data = open_dataset(f"folder:{birds}")
    assert (data.name, data.title) == (f"folder:{birds}", "birds")
    assert data.classes == ("owl", "wren")
    assert data.train.labels.tolist() == [1, 0, 0, 1, 0, 1]
    assert np.array_equal(data.train.images, pixels(6, side=5))
    assert (data.input_shape, data.validation, data.test) == ((1, 5, 5), None, None)


def test_the_arrays_of_a_folder_have_the_fingerprint_of_an_npz_of_the_same(birds, tmp_path):
    arrays = {"images": pixels(6, side=5), "labels": [1, 0, 0, 1, 0, 1]}
    np.savez(tmp_path / "same.npz", classes=np.array(["owl", "wren"]), **arrays)
    same = open_dataset(f"npz:{tmp_path}/same.npz")
    assert open_dataset(f"folder:{birds}").fingerprint == same.fingerprint


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_parts_of_its_own_are_taken_as_they_are(birds, tmp_path, validation):
    root = tmp_path / "split"
    for part, first in (("train", 0), (validation, 10), ("test", 20)):
        for number in range(4):
            image = np.full((1, 4, 4), first + number, np.uint8)
            save(root / part / ("a" if number % 2 else "b") / f"{number}.png", image)
    data = open_dataset(f"folder:{root}")
    firsts = [part.images[:, 0, 0, 0].tolist() for part in (data.train, data.validation, data.test)]
    assert firsts == [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]]
    assert data.counts() == (4, 4)
    assert data.mean == (round(1.5 / 255, 4),)  # of the training images alone


def test_images_become_what_the_space_wants(birds):
    data = open_dataset(f"folder:{birds}", input_shape=(3, 8, 6))
    assert data.train.images.shape == (6, 3, 8, 6)
    assert (data.train.images[:, 0] == data.train.images[:, 2]).all()  # grey
    expected = Image.fromarray(pixels(6, side=5)[2, 0]).resize((6, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(data.train.images[2, 1], np.asarray(expected))
    assert len(data.mean) == 3


def test_colour_becomes_grey_where_the_space_wants_that(tmp_path):
    images = pixels(4, 3, 5)
    for number in range(4):
        save(tmp_path / "c" / "ab"[number % 2] / f"{number}.png", images[number])
    assert open_dataset(f"folder:{tmp_path}/c").input_shape == (3, 5, 5)
    grey = open_dataset(f"folder:{tmp_path}/c", input_shape=(1, 5, 5)).train.images
    expected = Image.fromarray(images[1].transpose(1, 2, 0)).convert("L")
    assert np.array_equal(grey[1, 0], np.asarray(expected))


def test_every_format_that_pil_reads_is_an_image_and_other_files_are_none(tmp_path):
    root = tmp_path / "many"
    image = np.full((3, 6, 6), 128, np.uint8)
    for number, ending in enumerate(["png", "JPG", "jpeg", "bmp", "gif", "tif", "webp", "ppm"]):
        for label in "ab":
            save(root / label / f"{number}.{ending}", image)
    for name in ("a/notes.txt", "a/.hidden.png", ".git/x.png", "a/deep/er/one.png", "Thumbs.db"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no image")
    save(root / "a" / "deep" / "er" / "one.png", image)
    data = open_dataset(f"folder:{root}")
    assert np.bincount(data.train.labels).tolist() == [9, 8]
    assert (abs(data.train.images.astype(int) - 128) <= 2).all()


def test_images_of_other_modes_become_8_bits_a_channel(tmp_path):
    root = tmp_path / "modes"
    wide = Image.fromarray(np.array([[0, 257], [65535, 128 * 257]], np.uint16))
    clear = Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    clear.putpixel((0, 0), (200, 100, 50, 255))
    bits = Image.new("1", (2, 2), 1)
    palette = Image.new("RGB", (2, 2), (9, 9, 9)).quantize(4)
    images = {"0.png": wide, "1.png": clear, "2.png": bits, "3.png": palette}
    for label in "ab":
        (root / label).mkdir(parents=True)
        for name, image in images.items():
            image.save(root / label / name)
    grey = open_dataset(f"folder:{root}", input_shape=(1, 2, 2)).train.images[::2, 0]
    assert grey[0].tolist() == [[0, 1], [255, 128]]
    assert grey[1].tolist() == [[124, 0], [0, 0]]  # what is transparent is black
    assert grey[2].tolist() == [[255, 255], [255, 255]]
    assert grey[3].tolist() == [[9, 9], [9, 9]]


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = np.zeros((1, 8, 8), np.uint8)
    image[0, :4] = 255
    for number in range(4):
        options = {"exif": exif} if number == 0 else {}
        save(tmp_path / "t" / "ab"[number % 2] / f"{number}.png", image, **options)
    data = open_dataset(f"folder:{tmp_path}/t")
    assert data.train.images[0, 0, 0, 0] == 0 and data.train.images[1, 0, 0, 0] == 255


def test_a_folder_that_has_moved_is_found_where_it_is_said_to_be(birds, tmp_path):
    before = open_dataset(f"folder:{birds}")
    birds.rename(tmp_path / "elsewhere")
    after = open_dataset(f"folder:{birds}", folder=tmp_path / "elsewhere")
    assert after.fingerprint == before.fingerprint


def test_an_image_that_was_changed_is_decoded_anew(birds):
    before = open_dataset(f"folder:{birds}")
    save(birds / "owl" / "001.png", np.zeros((1, 5, 5), np.uint8))
    after = open_dataset(f"folder:{birds}")
    assert after.fingerprint != before.fingerprint
    assert not after.train.images[1].any()


def test_images_are_decoded_in_batches_and_not_kept(tmp_path, monkeypatch):
    """Of 700 images no more than one batch is in memory at a time."""
    for number in range(700):
        save(tmp_path / "n" / "ab"[number % 2] / f"{number:04}.png", np.zeros((1, 3, 3), np.uint8))
    sizes, real = [], cache.value_counts
    monkeypatch.setattr(
        cache, "value_counts", lambda batch: sizes.append(len(batch)) or real(batch)
    )
    data = open_dataset(f"folder:{tmp_path}/n")
    assert sizes == [256, 256, 188]
    assert isinstance(data.train.images, np.memmap)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "owl" / "001.png").write_bytes(b"no image"), "001.png: cannot be"),
        (
            lambda root: (root / "owl" / "002.png").write_bytes(
                (root / "owl" / "002.png").read_bytes()[:60]
            ),
            "002.png: cannot be read as an image",
        ),
        (lambda root: (root / "owl" / "003.png").symlink_to("nowhere"), "003.png: cannot be read"),
        (lambda root: [p.unlink() for p in (root / "owl").iterdir()], "has 1 class; accepted: 2"),
        (
            lambda root: [(root / "owl" / f"00{n}.png").unlink() for n in (1, 2)],
            "class 'owl' has 1 image in train; accepted: at least 2",
        ),
        (lambda root: (root / "owl").rename(root.parent / "owl"), "has 1 class"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(birds, spoil, said, empty_cache):
    spoil(birds)
    with pytest.raises(DataError) as refusal:
        open_dataset(f"folder:{birds}")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [p.suffix for p in (empty_cache / "datasets").glob("*")] in ([".lock"], [])


def test_a_folder_without_images_says_what_is_accepted(tmp_path):
    with pytest.raises(DataError, match="has no images in folders; accepted: a folder for each"):
        open_dataset(f"folder:{tmp_path}")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_dataset(f"folder:{tmp_path}/nowhere")


def test_validation_has_every_class_and_no_other(tmp_path):
    for part, classes in (("train", "ab"), ("val", "a")):
        for label in classes:
            save(tmp_path / part / label / "1.png", np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(DataError, match="class 'b' has 0 images in validation"):
        open_dataset(f"folder:{tmp_path}")
    save(tmp_path / "val" / "c" / "1.png", np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(DataError, match="validation has class 'c', which train has not"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "valid" / "b").mkdir(parents=True)
    with pytest.raises(DataError, match="has val/ and valid/; accepted: one"):
        open_dataset(f"folder:{tmp_path}")


def test_a_class_may_be_called_train(tmp_path):
    for label in ("train", "bus"):
        for number in range(2):
            save(tmp_path / label / f"{number}.png", np.zeros((1, 3, 3), np.uint8))
    assert open_dataset(f"folder:{tmp_path}").classes == ("bus", "train")


def test_one_image_a_class_trains_where_others_validate(tmp_path):
    for part in ("train", "val"):
        for label in "ab":
            save(tmp_path / part / label / "1.png", np.zeros((1, 3, 3), np.uint8))
    assert open_dataset(f"folder:{tmp_path}").counts() == (2, 2)


def test_large_images_need_a_size_that_somebody_asked_for(tmp_path):
    for label in "ab":
        for number in range(2):
            save(tmp_path / label / f"{number}.png", np.zeros((1, 600, 20), np.uint8))
    with pytest.raises(DataError, match="first image is 1×600×20, and no other size was asked for"):
        open_dataset(f"folder:{tmp_path}")
    assert open_dataset(f"folder:{tmp_path}", input_shape=(1, 8, 8)).input_shape == (1, 8, 8)


def test_images_have_one_channel_or_three(birds):
    with pytest.raises(DataError, match=r"4 channels are asked for; accepted: 1 \(grey\)") as error:
        open_dataset(f"folder:{birds}", input_shape=(4, 5, 5))
    assert not isinstance(error.value, ShapeError)
