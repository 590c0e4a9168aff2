# SPDX-License-Identifier: GPL-2.0-only
"""The kernel under test, and everything that can be said against it before a guest is booted."""

from dataclasses import dataclass
from pathlib import Path

from tools.cli import kernel as kernel_verb
from tools.doctor import packages
from tools.errors import UserError
from tools.kernel import cache, flavour, image, module, recipe, tree
from tools.kernel.flavour import Flavour

BUILT_IMAGE = "arch/x86/boot/bzImage"
ARCHITECTURE = "x86_64"  # of what image.inspect takes


@dataclass(frozen=True)
class Subject:
    """A kernel to certify. `build_dir` is None for an image alone: it can be booted, not certified."""

    image: Path
    build_dir: Path | None
    release: str
    version: str  # all that the image says about itself
    reference: bool = False
    flavour: str = flavour.DEFAULT
    base: str | None = None  # of the reference kernel: version of the source its patches are on

    def event(self) -> dict[str, str | None]:
        """The kernel's part of run-start."""
        return {
            "release": self.release,
            "version": self.version,
            "image": str(self.image),
            "image_sha256": recipe.digest(self.image),
            "flavour": self.flavour,
            "architecture": ARCHITECTURE,
            **self.configuration(),
        }

    def configuration(self) -> dict[str, str | None]:
        """Hash of the configuration, and the compiler that it names; None where they are not known."""
        path = self.build_dir / ".config" if self.build_dir else None
        return {
            "config_sha256": recipe.digest(path) if path else None,
            "compiler": tree.compiler(path) if path else None,
        }

    def source(self) -> dict[str, str]:
        """What is known of its source by itself: of the reference kernel everything, else nothing."""
        if not self.reference:
            return {}
        return {"base": str(self.base), "patchset_hash": recipe.patchset_hash(recipe.patches())}

    def module(self) -> Path:
        """Return the test module for it, built when needed. Raises UserError."""
        if self.build_dir is None:
            raise UserError(
                f"--kernel {self.image}: without --build there is nothing to build the module against"
            )
        packages.require(["compiler"])
        return module.build(self.build_dir)


def reference(kind: Flavour) -> Subject:
    """Return the embedded reference kernel of a flavour, built when the cache has none. Raises UserError."""
    built = kernel_verb.obtain(kind=kind)
    found = image.inspect(built.image)
    base = f"{recipe.load().package} {built.meta.source}"
    return Subject(
        built.image,
        built.build_dir,
        built.release,
        found.version,
        reference=True,
        flavour=kind.name,
        base=base,
    )


def cached(image_sha256: str) -> Subject | None:
    """Return the reference kernel with this image, None when the cache has none."""
    for built in cache.kernels():
        if built.meta.image_sha256 == image_sha256 and cache.hold(built):
            found = image.inspect(built.image)
            kind = built.meta.flavour
            return Subject(
                built.image, built.build_dir, built.release, found.version, reference=True, flavour=kind
            )
    return None


def check_paths(kernel: Path | None, build_dir: Path | None, kind: str = flavour.DEFAULT) -> Subject | None:
    """Return the kernel that --kernel and --build name, None when neither does; `kind` is what its owner says
    it is.

    --build alone means the image in it. Raises UserError for what is missing, broken or does not fit.
    """
    if kernel is None and build_dir is None:
        return None
    if build_dir is not None:
        tree.require_build_dir(build_dir)
        tree.require_api(build_dir)
        kernel = kernel or build_dir / BUILT_IMAGE
    assert kernel is not None
    found = image.inspect(kernel)
    if build_dir is None:
        return Subject(kernel.resolve(), None, found.release, found.version, flavour=kind)
    built_for = tree.release(build_dir)
    if found.release and built_for != found.release:
        raise UserError(
            f"--kernel is {found.release}, --build {build_dir} is for {built_for}; "
            "a module built there would not load: give the directory that this image was built in"
        )
    return Subject(kernel.resolve(), build_dir.resolve(), built_for, found.version, flavour=kind)
