
// SPDX-License-Identifier: GPL-2.0-only
//
// The timeline of a recording: bars of all processes, to zoom, to search, and with details below
// the pointer. The data is that of html.rs. Texts of the recording are shown as text only, never as
// markup.
"use strict";
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const { texts, processes, bars, usage, palette } = data;
	const length = Math.max(data.length, 1);

	// Lengths in pixels.
	const LEFT = 64, RIGHT = 16, ROW = 17, BAR = 15, CURVE = 46, GAP = 10, AXIS = 22;
	// The shortest time that fills the window, in nanoseconds.
	const SHORTEST = 1000;

	const element = (id) => document.getElementById(id);
	const head = element("head"), body = element("body");
	const search = element("search"), found = element("found"), details = element("details");

	// The first bar of each row, and behind the last row the number of bars.
	const rows = new Uint32Array(data.rows + 1);
	for (const row of bars.row) rows[row + 1] += 1;
	for (let row = 0; row < data.rows; row++) rows[row + 1] += rows[row];

	// The bars of each process are those from the first to the last.
	const firstBar = new Uint32Array(processes.pid.length);
	const lastBar = new Uint32Array(processes.pid.length);
	for (let bar = bars.row.length - 1; bar >= 0; bar--) firstBar[bars.process[bar]] = bar;
	for (let bar = 0; bar < bars.row.length; bar++) lastBar[bars.process[bar]] = bar;

	const failed = (process) => Boolean(processes.status[process]);

	// What is seen: times, and the topmost pixel of the rows.
	const view = { begin: 0, end: length, top: 0 };
	// The processes that match the search, or null without one; the latest that was gone to.
	let hits = null, hit = -1;
	let pinned = false;
	// The interval that is being chosen in the head, in pixels.
	let chosen = null;

	const width = () => Math.max(body.clientWidth - LEFT - RIGHT, 1);
	const scale = () => width() / (view.end - view.begin);
	const x = (time) => LEFT + (time - view.begin) * scale();
	const timeAt = (place) => view.begin + (place - LEFT) / scale();

	let isDue = false;
	function redraw() {
		if (isDue) return;
		isDue = true;
		requestAnimationFrame(() => {
			isDue = false;
			drawHead();
			drawBody();
		});
	}

	// Prepares a canvas for drawing in CSS pixels.
	function context(canvas) {
		const ratio = window.devicePixelRatio || 1;
		const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
		canvas.width = Math.round(wide * ratio);
		canvas.height = Math.round(high * ratio);
		const context = canvas.getContext("2d");
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, wide, high);
		context.font = "11px system-ui, sans-serif";
		return context;
	}

	function colours() {
		const style = getComputedStyle(document.documentElement);
		const names = ["text", "small", "grid", "mark", "warning", "busy", "wait", "memory"];
		return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name)]));
	}

	// Times and sizes.

	function duration(time) {
		const part = (unit, name) => (time / unit).toFixed(time < 100 * unit ? 1 : 0) + " " + name;
		if (time < 1e3) return Math.round(time) + " ns";
		if (time < 1e6) return part(1e3, "µs");
		if (time < 1e9) return part(1e6, "ms");
		if (time < 60e9) return (time / 1e9).toFixed(3) + " s";
		const seconds = Math.floor(time / 1e9);
		if (seconds < 3600) return Math.floor(seconds / 60) + " min " + seconds % 60 + " s";
		return Math.floor(seconds / 3600) + " h " + Math.floor(seconds / 60) % 60 + " min";
	}

	function size(bytes) {
		const units = ["B", "KiB", "MiB", "GiB", "TiB"];
		let unit = 0;
		while (bytes >= 1024 && unit < units.length - 1) {
			bytes /= 1024;
			unit += 1;
		}
		return bytes.toFixed(unit ? 1 : 0) + " " + units[unit];
	}

	// Returns a round step of which at most this many fit.
	function step(time, most) {
		const least = time / most;
		if (least > 10e9) {
			const minutes = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440];
			const fits = minutes.find((step) => step * 60e9 >= least);
			return (fits || Math.ceil(least / 60e9 / 1440) * 1440) * 60e9;
		}
		const power = 10 ** Math.floor(Math.log10(least));
		return power * [1, 2, 5, 10].find((digit) => digit * power >= least);
	}

	function tick(time, step) {
		const fixed = (unit, name) => {
			const digits = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
			return (time / unit).toFixed(digits) + " " + name;
		};
		if (time === 0) return "0";
		if (time + step < 1e6) return fixed(1e3, "µs");
		if (time + step < 1e9) return fixed(1e6, "ms");
		if (time < 60e9 || step < 1e9) return fixed(1e9, "s");
		const seconds = Math.round(time / 1e9);
		const two = (number) => String(number).padStart(2, "0");
		if (seconds < 3600) return Math.floor(seconds / 60) + ":" + two(seconds % 60) + " min";
		const minutes = two(Math.floor(seconds / 60) % 60);
		return Math.floor(seconds / 3600) + ":" + minutes + ":" + two(seconds % 60) + " h";
	}

	function ticks() {
		const time = view.end - view.begin;
		const by = step(time, Math.max(width() / 100, 1));
		const all = [];
		for (let at = Math.ceil(view.begin / by) * by; at <= view.end; at += by) {
			all.push([at, tick(at, by)]);
		}
		return all;
	}

	// The head: curves and axis.

	function drawHead() {
		const draw = context(head), colour = colours();
		const bottom = head.clientHeight;
		drawGrid(draw, colour, bottom);
		draw.fillStyle = colour.small;
		for (const [time, label] of ticks()) draw.fillText(label, x(time) + 3, bottom - 6);
		const most = usage.memory.reduce((most, one) => Math.max(most, one), 0);
		const memory = Math.max(data.memory, most, 1);
		draw.fillText("CPU", 12, 14);
		draw.fillText("100 %", 12, 27);
		draw.fillText("Memory", 12, 14 + CURVE + GAP);
		draw.fillText(size(memory), 12, 27 + CURVE + GAP);
		draw.save();
		draw.beginPath();
		draw.rect(LEFT, 0, width(), bottom);
		draw.clip();
		const first = firstAfter(usage.end, 0, usage.end.length, view.begin);
		for (let place = first; place < usage.begin.length; place++) {
			if (usage.begin[place] > view.end) break;
			const begin = x(usage.begin[place]);
			// Without gaps between neighbours.
			const wide = Math.max(x(usage.end[place]) - begin, 0.5) + 0.3;
			const column = (fill, top, from, to) => {
				draw.fillStyle = fill;
				draw.fillRect(begin, top + CURVE * (1 - to), wide, CURVE * (to - from));
			};
			const busy = usage.busy[place] / 1000, wait = usage.io_wait[place] / 1000;
			column(colour.busy, 4, 0, busy);
			column(colour.wait, 4, busy, busy + wait);
			column(colour.memory, 4 + CURVE + GAP, 0, usage.memory[place] / memory);
		}
		draw.restore();
		if (chosen) {
			draw.fillStyle = colour.mark;
			draw.globalAlpha = 0.2;
			draw.fillRect(chosen[0], 0, chosen[1] - chosen[0], bottom);
		}
	}

	function drawGrid(draw, colour, bottom) {
		draw.lineWidth = 1;
		const line = (place) => {
			draw.beginPath();
			draw.moveTo(Math.round(place) + 0.5, 0);
			draw.lineTo(Math.round(place) + 0.5, bottom);
			draw.stroke();
		};
		draw.strokeStyle = colour.grid;
		for (const [time] of ticks()) line(x(time));
		if (data.is_cut && view.end >= length) {
			draw.strokeStyle = colour.warning;
			draw.setLineDash([4, 3]);
			line(x(length));
			draw.setLineDash([]);
		}
	}

	// The body: bars.

	// Returns the first place from `low` on with a value greater than this, of ascending values.
	function firstAfter(values, low, high, value) {
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (values[middle] > value) high = middle;
			else low = middle + 1;
		}
		return low;
	}

	function drawBody() {
		const draw = context(body), colour = colours();
		const high = body.clientHeight;
		drawGrid(draw, colour, high);
		draw.save();
		draw.beginPath();
		draw.rect(LEFT, 0, width() + RIGHT, high);
		draw.clip();
		const first = Math.max(Math.floor(view.top / ROW), 0);
		const last = Math.min(Math.ceil((view.top + high) / ROW), data.rows);
		for (let row = first; row < last; row++) drawRow(draw, colour, row);
		draw.restore();
		const all = data.rows * ROW;
		if (all > high) {
			draw.fillStyle = colour.grid;
			draw.fillRect(body.clientWidth - 6, 0, 6, high);
			draw.fillStyle = colour.small;
			const tall = Math.max(high * high / all, 12);
			const top = (high - tall) * view.top / Math.max(all - high, 1);
			draw.fillRect(body.clientWidth - 6, top, 6, tall);
		}
	}

	function drawRow(draw, colour, row) {
		const top = row * ROW - view.top;
		const end = rows[row + 1];
		// The place up to which the row is drawn. A bar that does not go beyond it by half a pixel is
		// left out, as a row may have thousands of bars for each pixel.
		let drawn = -1, drawnHit = -1;
		for (let bar = firstAfter(bars.end, rows[row], end, view.begin - 1); bar < end; bar++) {
			if (bars.begin[bar] > view.end) break;
			const process = bars.process[bar];
			const isHit = hits === null || hits[process] === 1;
			const from = Math.max(x(bars.begin[bar]), LEFT - 2);
			const to = Math.min(Math.max(x(bars.end[bar]) - 0.5, from + 1), LEFT + width() + RIGHT);
			if (to < (isHit && hits ? drawnHit : drawn) + 0.5) continue;
			drawn = to;
			if (isHit) drawnHit = to;
			const [fill, ink] = palette[bars.colour[bar]];
			draw.globalAlpha = isHit ? 1 : 0.2;
			draw.fillStyle = fill;
			draw.fillRect(from, top, to - from, BAR);
			if (failed(process) && bar === lastBar[process]) {
				draw.fillStyle = data.failure;
				draw.fillRect(from, top + BAR - 3, to - from, 3);
			}
			if (hits !== null && isHit) {
				draw.strokeStyle = colour.mark;
				draw.lineWidth = process === hit ? 3 : 1;
				draw.strokeRect(from + 0.5, top + 0.5, Math.max(to - from - 1, 0.5), BAR - 1);
			}
			const letters = Math.floor((to - from - 4) / 6.2);
			if (letters >= 2) {
				const name = texts[bars.name[bar]];
				const shown = name.length > letters ? name.slice(0, letters - 1) + "…" : name;
				draw.fillStyle = ink;
				draw.fillText(shown, from + 3, top + 11);
			}
		}
		draw.globalAlpha = 1;
	}

	// Returns the bar at a place, or -1.
	function barAt(place, y) {
		const row = Math.floor((y + view.top) / ROW);
		if (row < 0 || row >= data.rows || place < LEFT) return -1;
		// Short ones are hard to meet, so one that is near is as good.
		for (const near of [0, 2 / scale()]) {
			const time = timeAt(place);
			const bar = firstAfter(bars.end, rows[row], rows[row + 1], time - near);
			if (bar < rows[row + 1] && bars.begin[bar] <= time + near) return bar;
		}
		return -1;
	}

	// Details.

	function ending(status) {
		const signal = status & 0x7f;
		return signal ? "killed by signal " + signal : "exit status " + (status >> 8 & 0xff);
	}

	function facts(process) {
		const all = [];
		const add = (name, value) => all.push([name, value]);
		const value = (column, of = (one) => one) => {
			const value = processes[column][process];
			return value === null ? null : of(value);
		};
		const parent = processes.parent[process];
		add("PID", processes.pid[process]);
		if (parent !== null) {
			const name = texts[bars.name[lastBar[parent]]];
			add("parent", processes.pid[parent] + " " + name);
		}
		add("user", value("user", (text) => texts[text]));
		add("cgroup", value("cgroup", (text) => texts[text]));
		add("directory", value("directory", (text) => texts[text]));
		const start = processes.start[process];
		add("start", start < 0 ? duration(-start) + " before the recording" : duration(start));
		const goesOn = processes.goes_on[process] ? ", goes on" : "";
		add("lasted", value("lasted", duration) + goesOn);
		const [user, system] = [value("utime"), value("stime")];
		if (user !== null) {
			const both = duration(user) + " user, " + duration(system) + " system";
			add("CPU", duration(user + system) + ": " + both);
		}
		add("memory", value("max_rss", (bytes) => size(bytes) + " at most"));
		add("read", value("read", size));
		add("written", value("written", size));
		add("end", value("status", ending));
		return all.filter(([, value]) => value !== null);
	}

	function make(kind, text, name) {
		const made = document.createElement(kind);
		made.textContent = text;
		if (name) made.className = name;
		return made;
	}

	function show(bar, place, y) {
		const process = bars.process[bar];
		details.replaceChildren(make("b", texts[processes.command[process]]));
		const programs = [];
		for (let of = firstBar[process]; of <= lastBar[process]; of++) {
			programs.push(texts[bars.name[of]]);
			if (programs.length === 20) break;
		}
		const lines = facts(process);
		if (programs.length > 1) lines.unshift(["programs", programs.join(", ")]);
		for (const [name, value] of lines) {
			const line = make("div", "");
			const isFailure = name === "end" && failed(process);
			line.append(make("i", name), make("span", value, isFailure ? "failed" : ""));
			details.append(line);
		}
		details.hidden = false;
		const box = details.getBoundingClientRect();
		const within = (at, size, whole) => {
			const fits = at + 14 + size <= whole;
			return Math.max(0, fits ? at + 14 : at - 14 - size) + "px";
		};
		details.style.left = within(place, box.width, window.innerWidth);
		details.style.top = within(y, box.height, window.innerHeight);
	}

	function pin(isPinned) {
		pinned = isPinned;
		details.classList.toggle("pinned", pinned);
		if (!pinned) details.hidden = true;
	}

	// Moves.

	function moveTo(begin, end) {
		const time = Math.min(Math.max(end - begin, Math.min(SHORTEST, length)), length);
		view.begin = Math.min(Math.max(begin, 0), length - time);
		view.end = view.begin + time;
		redraw();
	}

	function scrollTo(top) {
		view.top = Math.max(0, Math.min(top, data.rows * ROW - body.clientHeight));
		redraw();
	}

	function zoom(factor, time) {
		moveTo(time - (time - view.begin) * factor, time + (view.end - time) * factor);
	}

	function goTo(bar) {
		pin(false);
		const process = bars.process[bar];
		const begin = bars.begin[firstBar[process]], end = bars.end[lastBar[process]];
		const margin = Math.max((end - begin) * 0.25, SHORTEST / 4);
		moveTo(begin - margin, end + margin);
		scrollTo(bars.row[bar] * ROW - body.clientHeight / 3);
	}

	function place(event) {
		const box = event.currentTarget.getBoundingClientRect();
		return [event.clientX - box.left, event.clientY - box.top];
	}

	for (const canvas of [head, body]) {
		canvas.addEventListener("wheel", (event) => {
			event.preventDefault();
			if (!pinned) details.hidden = true;
			// Some browsers turn the wheel with shift into one to the side.
			const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
			if (event.shiftKey) {
				scrollTo(view.top + (sideways ? event.deltaX : event.deltaY));
			} else if (sideways) {
				const time = event.deltaX / scale();
				moveTo(view.begin + time, view.end + time);
			} else {
				const lines = event.deltaMode === 1 ? 20 : 1;
				const amount = Math.max(-200, Math.min(200, event.deltaY * lines));
				zoom(Math.exp(amount * 0.002), timeAt(place(event)[0]));
			}
		}, { passive: false });
	}

	let drag = null;
	body.addEventListener("pointerdown", (event) => {
		const [from, y] = place(event);
		drag = { from, y, begin: view.begin, end: view.end, top: view.top, isMove: false };
		body.setPointerCapture(event.pointerId);
	});
	body.addEventListener("pointermove", (event) => {
		const [at, y] = place(event);
		if (drag) {
			drag.isMove ||= Math.hypot(at - drag.from, y - drag.y) > 3;
			if (!drag.isMove) return;
			body.classList.add("drags");
			const time = (drag.from - at) / scale();
			moveTo(drag.begin + time, drag.end + time);
			scrollTo(drag.top + drag.y - y);
			return;
		}
		if (pinned) return;
		const bar = barAt(at, y);
		if (bar < 0) details.hidden = true;
		else show(bar, event.clientX, event.clientY);
	});
	body.addEventListener("pointerup", (event) => {
		const isClick = drag && !drag.isMove;
		drag = null;
		body.classList.remove("drags");
		if (!isClick) return;
		const bar = barAt(...place(event));
		if (bar >= 0) show(bar, event.clientX, event.clientY);
		pin(bar >= 0);
	});
	body.addEventListener("pointercancel", () => {
		drag = null;
		body.classList.remove("drags");
	});
	body.addEventListener("pointerleave", () => {
		if (!pinned) details.hidden = true;
	});
	body.addEventListener("dblclick", (event) => {
		const bar = barAt(...place(event));
		if (bar >= 0) goTo(bar);
	});

	head.addEventListener("pointerdown", (event) => {
		const [at] = place(event);
		chosen = [at, at];
		head.setPointerCapture(event.pointerId);
	});
	head.addEventListener("pointermove", (event) => {
		if (!chosen) return;
		chosen[1] = place(event)[0];
		redraw();
	});
	head.addEventListener("pointerup", () => {
		const [from, to] = (chosen || [0, 0]).sort((one, other) => one - other);
		chosen = null;
		if (to - from > 3) moveTo(timeAt(from), timeAt(to));
		redraw();
	});
	head.addEventListener("pointercancel", () => {
		chosen = null;
		redraw();
	});

	// Search.

	let lowercase = null;
	function find() {
		const wanted = search.value.trim().toLowerCase();
		hit = -1;
		if (wanted === "") {
			hits = null;
			found.textContent = "";
			redraw();
			return;
		}
		lowercase ||= texts.map((text) => text.toLowerCase());
		const matches = lowercase.map((text) => text.includes(wanted));
		const pid = /^\d+$/.test(wanted) ? Number(wanted) : null;
		hits = new Uint8Array(processes.pid.length);
		for (let process = 0; process < hits.length; process++) {
			const { command, directory, user, cgroup } = processes;
			const columns = [command, directory, user, cgroup];
			const matched = columns.some((column) => matches[column[process]]);
			hits[process] = matched || processes.pid[process] === pid ? 1 : 0;
		}
		for (let bar = 0; bar < bars.name.length; bar++) {
			if (matches[bars.name[bar]]) hits[bars.process[bar]] = 1;
		}
		const count = hits.reduce((count, one) => count + one, 0);
		found.textContent = count.toLocaleString("en") + (count === 1 ? " process" : " processes");
		redraw();
	}

	// Goes to the next process that was found, or to the one before.
	function next(by) {
		if (hits === null || !hits.includes(1)) return;
		const count = hits.length;
		hit = hit < 0 && by < 0 ? 0 : hit;
		do hit = (hit + by + count) % count; while (hits[hit] === 0);
		goTo(lastBar[hit]);
	}

	search.addEventListener("input", find);
	search.addEventListener("keydown", (event) => {
		if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
		if (event.key === "Escape") {
			search.value = "";
			find();
			search.blur();
		}
		event.stopPropagation();
	});
	element("whole").addEventListener("click", () => moveTo(0, length));

	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const time = (view.end - view.begin) / 10;
		const middle = (view.begin + view.end) / 2;
		const keys = {
			"ArrowLeft": () => moveTo(view.begin - time, view.end - time),
			"ArrowRight": () => moveTo(view.begin + time, view.end + time),
			"ArrowUp": () => scrollTo(view.top - 3 * ROW),
			"ArrowDown": () => scrollTo(view.top + 3 * ROW),
			"PageUp": () => scrollTo(view.top - body.clientHeight),
			"PageDown": () => scrollTo(view.top + body.clientHeight),
			"+": () => zoom(0.7, middle),
			"-": () => zoom(1 / 0.7, middle),
			"0": () => moveTo(0, length),
			"n": () => next(1),
			"N": () => next(-1),
			"Escape": () => pin(false),
			"/": () => search.focus(),
		};
		if (!Object.hasOwn(keys, event.key)) return;
		event.preventDefault();
		keys[event.key]();
	});

	new ResizeObserver(redraw).observe(body);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
	redraw();
})();
