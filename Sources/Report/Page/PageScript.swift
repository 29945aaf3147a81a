// SPDX-License-Identifier: Apache-2.0

/// What the page does: tables that sort, kills that are looked for, candidates that are drawn when they are asked for.
///
/// Whatever a log says becomes text by `textContent` and never markup. The page allows no other script than this one:
/// `policy` has its digest.
enum PageScript {
  /// SHA-256 of `text` in base64. Source: CSP Level 3, "hash-source".
  static let digest: StaticString = "+xAwntU20wd/NO2eg0mNLHFUzTbSSVgYyZHNZeEdi/Q="

  static let text: StaticString = #"""
    "use strict";
    const PARTS = ["anon", "file", "shmem", "swap", "page tables", "oom_score_adj"];
    const pageBytes = Number(document.querySelector("main").dataset.pageBytes);
    const count = new Intl.NumberFormat("en-US");

    function element(tag, className, text) {
      const made = document.createElement(tag);
      if (className) made.className = className;
      if (text !== undefined) made.textContent = text;
      return made;
    }

    function size(pages) {
      const units = ["KiB", "MiB", "GiB", "TiB"];
      let value = Math.abs(pages) * pageBytes / 1024, unit = 0;
      while (value >= 1024 && unit + 1 < units.length) { value /= 1024; unit += 1; }
      return (pages < 0 ? "-" : "") + value.toFixed(unit === 0 ? 0 : 1) + " " + units[unit];
    }

    // Tables: a button in each heading, which sorts the table's rows, or its bodies where a row has more below it.
    function sortable(table) {
      const headings = table.tHead.rows[0].cells;
      for (const heading of headings) {
        if (heading.hasAttribute("data-fixed")) continue;
        const button = element("button", "", heading.textContent);
        button.type = "button";
        button.addEventListener("click", () => sort(table, heading));
        heading.replaceChildren(button);
      }
    }

    function sort(table, heading) {
      const before = heading.getAttribute("aria-sort");
      const isNumber = heading.classList.contains("number");
      const isUp = before ? before === "descending" : !isNumber;
      const column = heading.cellIndex;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      const bodies = [...table.tBodies];
      const items = bodies.length > 1 ? bodies : [...(bodies[0] ? bodies[0].rows : [])];
      const keyed = items.map(item => {
        const cell = (item.rows ? item.rows[0] : item).cells[column];
        const key = cell ? cell.dataset.sort ?? cell.textContent : "";
        return [item, key, key === "" ? NaN : Number(key)];
      });
      keyed.sort((one, two) => {
        // What is not known is last, whichever way.
        if (one[1] === "" || two[1] === "") return (one[1] === "") - (two[1] === "");
        const areNumbers = !Number.isNaN(one[2]) && !Number.isNaN(two[2]);
        const order = areNumbers ? one[2] - two[2] : one[1].localeCompare(two[1]);
        return isUp ? order : -order;
      });
      const parent = bodies.length > 1 ? table : bodies[0];
      if (parent) parent.append(...keyed.map(entry => entry[0]));
    }

    // The candidates of a kill, each with its score as a bar.
    function legend() {
      const list = element("ul", "legend");
      PARTS.forEach((name, part) => {
        const item = element("li");
        item.append(element("i", "part" + part), name);
        list.append(item);
      });
      const item = element("li");
      item.append(element("i", "points"), "points, by which the kernel chose");
      list.append(item);
      return list;
    }

    function bar(candidate, most) {
      const drawn = element("div", "bar");
      const share = pages => 100 * pages / most + "%";
      const parts = candidate.parts || [];
      const held = parts.slice(0, 5).reduce((sum, pages) => sum + pages, 0);
      parts.forEach((pages, part) => {
        if (pages <= 0) return;
        const piece = element("i", "part" + part);
        piece.style.width = share(pages);
        piece.title = PARTS[part] + " " + size(pages);
        drawn.append(piece);
      });
      if (parts[5] < 0) {
        const less = element("b", "less"), left = Math.max(0, held + parts[5]);
        less.style.left = share(left);
        less.style.width = share(held - left);
        less.title = "oom_score_adj " + size(parts[5]);
        drawn.append(less);
      }
      if (candidate.points !== undefined) {
        const mark = element("b", "points");
        mark.style.left = share(Math.max(0, candidate.points));
        mark.title = count.format(candidate.points) + " points";
        drawn.append(mark);
      }
      drawn.setAttribute("role", "img");
      const said = PARTS.map((name, part) => parts[part] ? name + " " + size(parts[part]) : "").filter(Boolean);
      drawn.setAttribute("aria-label", said.join(", ") || "parts not known");
      return drawn;
    }

    function row(candidate, most) {
      const made = element("tr", candidate.victim ? "victim" : "");
      const number = (value, shown) => {
        const cell = element("td", "number", value === undefined ? "–" : shown);
        cell.dataset.sort = value ?? "";
        return cell;
      };
      const name = element("th", "", candidate.comm);
      name.scope = "row";
      name.append(element("span", "pid", " " + candidate.pid));
      if (candidate.victim) name.append(" ", element("span", "tag", "killed"));
      const points = number(candidate.points, count.format(candidate.points));
      const score = element("td");
      score.append(candidate.skipped ? "passed over: " + candidate.skipped : bar(candidate, most));
      made.append(number(candidate.rank, candidate.rank), name, number(candidate.adj, candidate.adj), points, score);
      PARTS.forEach((_, part) => {
        const pages = candidate.parts && candidate.parts[part];
        made.append(number(pages, pages === 0 ? "0" : size(pages)));
      });
      return made;
    }

    function candidates(data) {
      const list = data.list;
      const top = one => (one.parts || []).reduce((sum, pages) => sum + Math.max(0, pages), 0);
      const most = Math.max(1, ...list.map(one => Math.max(top(one), one.points || 0)));
      const table = element("table", "scores");
      table.append(element("caption", "", count.format(data.considered) + " processes considered, " + list.length + " listed"));
      const head = table.createTHead().insertRow();
      ["#", "Process", "Adj", "Points", "Score", ...PARTS.slice(0, 5), "by adj"].forEach((name, place) => {
        const heading = element("th", place === 1 || place === 4 ? "" : "number", name);
        heading.scope = "col";
        if (place === 4) heading.dataset.fixed = "";
        head.append(heading);
      });
      const body = table.createTBody();
      body.append(...list.map(one => row(one, most)));
      sortable(table);
      const scroll = element("div", "scroll");
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", "Candidates and their scores");
      scroll.append(table);
      return [legend(), scroll];
    }

    function fill(details) {
      const data = details.querySelector("script");
      if (!data) return;
      data.replaceWith(...candidates(JSON.parse(data.textContent)));
    }

    document.querySelectorAll("table").forEach(sortable);
    const kills = document.querySelectorAll(".kill");
    document.addEventListener("toggle", event => {
      if (event.target.matches(".kill details") && event.target.open) fill(event.target);
    }, true);

    const tools = document.querySelector(".tools");
    const wanted = element("input"), found = element("output", "quiet"), open = element("button", "", "Open those shown");
    wanted.type = "search";
    wanted.placeholder = "Find a name, a cgroup, a day";
    wanted.setAttribute("aria-label", "Show the kills that contain");
    open.type = "button";
    wanted.addEventListener("input", () => {
      const words = wanted.value.toLowerCase();
      let shown = 0;
      for (const kill of kills) {
        const text = kill.rows[0].textContent + kill.querySelector("summary").textContent;
        kill.hidden = !text.toLowerCase().includes(words);
        shown += kill.hidden ? 0 : 1;
      }
      found.textContent = words ? count.format(shown) + " of " + count.format(kills.length) : "";
    });
    open.addEventListener("click", () => {
      for (const kill of kills) if (!kill.hidden) kill.querySelector("details").open = true;
    });
    tools.append(wanted, open, found);
    if (kills.length <= 3) for (const kill of kills) kill.querySelector("details").open = true;
    """#
}
