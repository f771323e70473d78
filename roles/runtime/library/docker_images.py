#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Image archives into docker (Python 2.7 and 3)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: docker_images
short_description: Loads the image archives of some folders into docker, those that it lacks
description:
  - An archive is what C(docker save) writes. An image that docker has under the same name with the
    same id is left alone, so nothing is loaded twice.
options:
  folders:
    description: Folders of this host; every C(*.tar) in them is an archive.
    type: list
    elements: path
    required: true
  parallel:
    description: How many archives are loaded at the same time.
    type: int
    default: 3
author: kubelab
"""

RETURN = r"""
loaded:
  description: Names of the images that were loaded.
  type: list
  returned: always
ids:
  description: The ids that the images of all archives have in docker now, by name.
  type: dict
  returned: always
"""

import glob
import json
import os
import subprocess
import tarfile

from ansible.module_utils.basic import AnsibleModule

FORMAT = "{{.Repository}}:{{.Tag}} {{.ID}}"


def short(name):
    """A name as docker prints it: without the registry and the folder of Docker Hub's official images."""
    for prefix in ("docker.io/", "index.docker.io/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
    return name[len("library/") :] if name.startswith("library/") else name


def wanted(module, path):
    """Names and id (of the configuration) of the images in an archive."""
    try:
        with tarfile.open(path) as tar:
            manifest = json.loads(tar.extractfile("manifest.json").read().decode("utf-8"))
    except (IOError, OSError, KeyError, ValueError, tarfile.TarError) as error:
        module.fail_json(msg="{0} is no image archive: {1}".format(path, error))
    images = {}
    for image in manifest:
        digest = os.path.basename(image["Config"]).replace(".json", "")
        for name in image["RepoTags"] or []:
            images[short(name)] = "sha256:" + digest
    return images


def images_of_docker(module):
    """Ids by name of what docker has; with --check, docker may still have to be installed."""
    docker = module.get_bin_path("docker", required=not module.check_mode)
    if docker is None:
        return {}
    code, out, err = module.run_command([docker, "image", "ls", "--no-trunc", "--format", FORMAT])
    if code != 0 and not module.check_mode:
        module.fail_json(msg="docker does not answer: {0}".format(err.strip()))
    return dict(line.split(" ", 1) for line in out.splitlines())


def load(module, paths, parallel):
    """Load archives, some at a time; stop at the first that docker refuses."""
    running = {}
    queue = list(paths)
    while queue or running:
        while queue and len(running) < parallel:
            path = queue.pop(0)
            running[path] = subprocess.Popen(
                ["docker", "load", "--quiet", "--input", path],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        path, process = next(iter(running.items()))
        output = process.communicate()[0]
        del running[path]
        if process.returncode != 0:
            module.fail_json(
                msg="docker does not take {0}: {1}".format(path, output.decode("utf-8", "replace"))
            )


def main():
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "path", "required": True},
            "parallel": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    archives = {}
    for folder in module.params["folders"]:
        paths = sorted(glob.glob(os.path.join(folder, "*.tar")))
        if not paths and not module.check_mode:
            module.fail_json(msg="no image archives in {0}: is the artifact set whole?".format(folder))
        for path in paths:
            archives[path] = wanted(module, path)
    present = images_of_docker(module)
    missing = [
        path
        for path, images in sorted(archives.items())
        if any(present.get(name) != digest for name, digest in images.items())
    ]
    if missing and not module.check_mode:
        load(module, missing, module.params["parallel"])
    names = sorted(name for path in missing for name in archives[path])
    ids = images_of_docker(module) if missing else present
    known = sorted(name for images in archives.values() for name in images if name in ids)
    module.exit_json(
        changed=bool(missing), loaded=names, ids=dict((name, ids[name]) for name in known)
    )


if __name__ == "__main__":
    main()
