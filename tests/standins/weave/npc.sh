#!/bin/sh
# Plays the part of weave-npc, and enforces nothing.
trap 'exit 0' TERM
while :; do
  sleep 3600 &
  wait $!
done
