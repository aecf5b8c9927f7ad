# SPDX-License-Identifier: GPL-2.0-only
# Functions for tools/trace/draw.awk and tools/models/draw.awk: parts of a drawing. -v svg=FILE names
# the file. Positions are in pixels from the left and from the top; class is a class of the style.

function out(text) { print text > svg }

function rect(class, x1, y1, w, h)
{
	out(sprintf("<rect class='%s' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>",
		    class, x1, y1, w, h))
}

function line(class, x1, y1, x2, y2)
{
	out(sprintf("<line class='%s' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>", class, x1, y1, x2, y2))
}

function text(class, at, y1, what)
{
	out(sprintf("<text class='%s' x='%.1f' y='%.1f'>%s</text>", class, at, y1, what))
}

function plural(n, what) { return n " " what (n == 1 ? "" : "s") }
