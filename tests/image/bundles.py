# SPDX-License-Identifier: BSD-3-Clause
"""Updates, good and bad, made of a good one, on a volume for a machine to read."""

import random
import subprocess


def quiet(*words):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL,
                   capture_output=True)


def sign(contents, target, key, cert):
    quiet("rauc", f"--cert={cert}", f"--key={key}", "bundle", contents, target)


def contents_of(good, folder, **manifest):
    """A folder for the contents of an update, its manifest as the good one's but for these fields."""
    folder.mkdir()
    text = (good / "manifest.raucm").read_text()
    kept = [line for line in text.split("\n") if not line.startswith(("sha256=", "size="))]
    for key, value in manifest.items():
        kept = [f"{key}={value}" if line.startswith(f"{key}=") else line for line in kept]
    (folder / "manifest.raucm").write_text("\n".join(kept))
    return folder


def little(good, folder, **manifest):
    """One whose file systems are noise."""
    contents_of(good, folder, **manifest)
    for name in ("root.img", "boot.img"):
        (folder / name).write_bytes(random.randbytes(1 << 16))
    return folder


def boot_with(good, target, arguments, more=""):
    """Its boot file system, with other arguments for the kernel, or more of them."""
    target.write_bytes((good / "boot.img").read_bytes())
    slot_cfg = target.with_name("slot.cfg")
    quiet("debugfs", "-R", f"dump slot.cfg {slot_cfg}", target)
    own = slot_cfg.read_text().split('"')[1]
    slot_cfg.write_text(f'set verity="{arguments or own} {more}"\n')
    for command in ("rm slot.cfg", f"write {slot_cfg} slot.cfg"):
        quiet("debugfs", "-w", "-R", command, target)
    slot_cfg.unlink()


def make_volume(bundle, folder, key, cert):
    contents, made = folder / "good", folder / "volume"
    folder.mkdir()
    made.mkdir()
    quiet("unsquashfs", "-q", "-no-progress", "-d", contents, bundle)
    (made / "good.raucb").hardlink_to(bundle)

    other_key, other_cert = folder / "key.pem", folder / "cert.pem"
    quiet("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
          "/CN=Somebody", "-keyout", other_key, "-out", other_cert)
    sign(little(contents, folder / "small"), made / "other-key.raucb", other_key, other_cert)
    sign(little(contents, folder / "other", compatible="toaster"), made / "other-product.raucb", key,
         cert)

    tampered = bytearray(bundle.read_bytes())
    tampered[len(tampered) // 2] ^= 1
    (made / "tampered.raucb").write_bytes(tampered)

    never = little(contents, folder / "never")
    boot_with(contents, never / "boot.img", f"sluice.hash={'0' * 64} sluice.offset=4096")
    sign(never, made / "never-opens.raucb", key, cert)

    return volume_of(made, folder / "volume.img")


def make_bad_volume(bundle, folder, key, cert, bad):
    """bad: {name: more arguments for the kernel} of images that are good but for these."""
    contents, made = folder / "good", folder / "volume"
    folder.mkdir()
    made.mkdir()
    quiet("unsquashfs", "-q", "-no-progress", "-d", contents, bundle)
    for name, more in bad.items():
        image = contents_of(contents, folder / name)
        (image / "root.img").hardlink_to(contents / "root.img")
        boot_with(contents, image / "boot.img", None, more)
        sign(image, made / f"{name}.raucb", key, cert)
    return volume_of(made, folder / "volume.img")


def volume_of(made, volume):
    size = sum(path.stat().st_size for path in made.iterdir()) // (1 << 20)
    quiet("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-L", "bundles", "-d", made, volume,
          f"{size + size // 8 + 16}M")
    return volume
