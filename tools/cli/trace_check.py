# SPDX-License-Identifier: Apache-2.0
"""Whether a document is a trace in the Trace Event Format as viewers need it: written from the format's description,
not from what writes ours."""

_REQUIRED = {"X": {"ts", "dur"}, "i": {"ts", "s"}, "s": {"ts", "id"}, "f": {"ts", "id"}, "M": {"args"}}


def problems(document):
    """Each thing that is wrong, in a line; at most a few of a kind matter, so the caller may cut."""
    if not isinstance(document, dict) or not isinstance(document.get("traceEvents"), list):
        return ["no object with a list traceEvents"]
    out, named, slices, flows, last = [], set(), {}, {}, {}
    for number, event in enumerate(document["traceEvents"]):
        wrong = _malformed(event)
        if wrong:
            out.append(f"event {number}: {wrong}")
            continue
        track = (event["pid"], event["tid"])
        if event["ph"] == "M":
            named.add((event["name"], *(track if event["name"] != "process_name" else track[:1])))
            continue
        if event["ts"] < last.get(track, 0):
            out.append(f"event {number}: time goes back on track {track}")
        last[track] = event["ts"]
        if event["ph"] == "X":
            slices.setdefault(track, []).append((_ns(event["ts"]), _ns(event["ts"]) + _ns(event["dur"])))
        elif event["ph"] in "sf":
            flows.setdefault((event.get("cat"), event["name"], event["id"]), []).append((event["ph"], _ns(event["ts"]), track))
    for track in last:
        if ("thread_name", *track) not in named or ("process_name", track[0]) not in named:
            out.append(f"track {track} has no name")
    for track, found in slices.items():
        out += [f"track {track}: {text}" for text in _overlaps(found)]
    for key, ends in flows.items():
        out += [f"flow {key}: {text}" for text in _flow(ends, slices)]
    return out


def _malformed(event):
    if not isinstance(event, dict) or event.get("ph") not in _REQUIRED:
        return "of no known phase"
    if not isinstance(event.get("name"), str) or not all(isinstance(event.get(key), int) for key in ("pid", "tid")):
        return "without name, pid or tid"
    if missing := _REQUIRED[event["ph"]] - event.keys():
        return f"without {', '.join(sorted(missing))}"
    for key in ("ts", "dur"):
        if key in event and (not isinstance(event[key], (int, float)) or isinstance(event[key], bool) or not event[key] >= 0):
            return f"{key} is no time"
    if event["ph"] == "i" and event["s"] not in ("g", "p", "t"):
        return "of no scope"
    if event["ph"] == "f" and event.get("bp") != "e":
        return "the end of a flow that binds to the next slice"
    if event["ph"] == "M" and not isinstance(event["args"].get("sort_index" if "sort" in event["name"] else "name"), (str, int)):
        return "metadata of no value"
    return None


def _ns(time):
    return round(time * 1000)


def _overlaps(found):
    """Slices of a track lie beside or inside each other."""
    open_ends = []
    for begin, end in sorted(found, key=lambda pair: (pair[0], -pair[1])):
        while open_ends and open_ends[-1] <= begin:
            open_ends.pop()
        if open_ends and end > open_ends[-1]:
            yield f"the slice from {begin} to {end} ns reaches out of the one around it"
        open_ends.append(end)


def _flow(ends, slices):
    begins = [end for end in ends if end[0] == "s"]
    finishes = [end for end in ends if end[0] == "f"]
    if len(begins) != 1 or len(finishes) > 1:
        yield f"{len(begins)} beginnings and {len(finishes)} ends"
    elif finishes and finishes[0][1] < begins[0][1]:
        yield "it ends before it begins"
    for phase, time, track in ends:
        if not any(begin <= time <= end for begin, end in _near(slices.get(track, []), time)):
            yield f"its '{phase}' at {time} ns is in no slice of track {track}"


def _near(found, time):
    """Those that could hold the moment. `found` is in the order of its beginnings."""
    from bisect import bisect_right

    at = bisect_right(found, (time, float("inf")))
    return found[max(0, at - 16) : at]
