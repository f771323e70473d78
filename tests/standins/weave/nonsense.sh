#!/bin/sh
# A plugin that answers with what is no result.
echo "nonsense of the stand-in"
