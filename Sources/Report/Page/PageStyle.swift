// SPDX-License-Identifier: Apache-2.0

/// How the page looks: light and dark as the reader's system is, and on paper light.
///
/// The colours of a score's parts are told apart by people who see no red or no green, and none is told by its colour
/// alone: the figures stand beside the bars.
enum PageStyle {
  static let text: StaticString = """
    :root { color-scheme: light dark; --ground: #fff; --raised: #f5f7f9; --ink: #1c2128; --quiet: #57606a; --line: #d5dbe1;
      --accent: #0a58a5; --alarm: #b3261e; --part0: #0a6ebd; --part1: #c98500; --part2: #00795f; --part3: #c25a98;
      --part4: #6b7480; --part5: #b3411c; --kind0: #c4501b; --kind1: #0a6ebd; --kind2: #a8529b; --kind3: #77818c; }
    @media screen and (prefers-color-scheme: dark) {
      :root { --ground: #12161c; --raised: #1a2028; --ink: #e4e8ee; --quiet: #a0abb8; --line: #333c47;
        --accent: #79b8ff; --alarm: #ff8f85; --part0: #4aa3ec; --part1: #f2bd55; --part2: #35b394; --part3: #ea94c6;
        --part4: #98a3b0; --part5: #ff8a5c; --kind0: #f58549; --kind1: #4aa3ec; --kind2: #d98fd0; --kind3: #98a3b0; }
    }
    @media print { :root { color-scheme: light; } }
    * { box-sizing: border-box; }
    html { background: var(--ground); color: var(--ink); -webkit-text-size-adjust: 100%; }
    body { margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(0.75rem, 3vw, 2.5rem) 3rem;
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
    h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 0.25rem; letter-spacing: -0.01em; }
    h2 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; }
    h3 { font-size: 1rem; margin: 0 0 0.25rem; overflow-wrap: anywhere; }
    p { margin: 0 0 0.5rem; max-width: 75ch; overflow-wrap: anywhere; }
    .quiet, figcaption, .pid { color: var(--quiet); }
    figcaption { font-size: 0.85rem; margin-top: 0.35rem; }
    figure { margin: 0; }
    a { color: var(--accent); }
    code, pre { font: 0.85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    pre { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem 0.75rem; margin: 0.5rem 0 0;
      white-space: pre-wrap; overflow-wrap: anywhere; }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }

    .sums { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0 0; padding: 0; }
    .sums div { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 0.7rem 0.9rem; }
    .sums dt { color: var(--quiet); font-size: 0.85rem; line-height: 1.3; }
    .sums dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.25; }
    .sums div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }

    .legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; list-style: none; padding: 0; margin: 0 0 0.5rem; font-size: 0.85rem; }
    .legend i, td > i { display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 2px; margin-right: 0.4rem; vertical-align: -0.05em;
      forced-color-adjust: none; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    .kind0 { background: var(--kind0); fill: var(--kind0); } .kind1 { background: var(--kind1); fill: var(--kind1); }
    .kind2 { background: var(--kind2); fill: var(--kind2); } .kind3 { background: var(--kind3); fill: var(--kind3); }
    svg { display: block; overflow: visible; }
    svg text { fill: var(--quiet); font-size: 12px; } svg text.label { fill: var(--ink); }
    svg .grid { stroke: var(--line); stroke-dasharray: 2 3; } svg .floor { stroke: var(--line); }
    .timeline rect { stroke: var(--ground); stroke-width: 0.5px; }

    .histories { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 0.75rem; }
    .histories figure, .advice > li { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 0.9rem; }
    .histories svg { margin: 0.5rem 0 0.25rem; }
    .histories path { fill: none; stroke: var(--part0); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
    .histories path.dot { stroke-width: 6px; stroke-linecap: round; }
    .histories path.limit { stroke: var(--alarm); stroke-dasharray: 5 3; }
    .histories path.base { stroke: var(--line); stroke-width: 1px; }
    .histories p { margin: 0; font-size: 0.85rem; }
    .ends { display: flex; justify-content: space-between; gap: 1rem; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
    .trend.grows { color: var(--alarm); }
    .notes { list-style: none; margin: 1rem 0 0; padding: 0; font-size: 0.9rem; columns: 2 26rem; column-gap: 2rem; }
    .notes li { break-inside: avoid; }
    .gap { color: var(--alarm); font-weight: 600; }

    .advice { list-style: none; margin: 0; padding: 0; display: grid; gap: 0.75rem; }
    .scroll { overflow-x: auto; }
    .tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 2rem; align-items: start; }
    .tables { margin-top: 1.5rem; }
    .tables section { min-width: 0; margin-bottom: 1.5rem; }
    .tables section.wide { grid-column: 1 / -1; }
    .tables .scroll { max-height: 19rem; overflow: auto; }
    .tables thead th { position: sticky; top: 0; background: var(--ground); box-shadow: inset 0 -1px var(--line); }
    .tables tbody th { font-weight: 400; }
    table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
    caption { text-align: left; color: var(--quiet); font-size: 0.85rem; padding-bottom: 0.25rem; }
    th, td { text-align: left; padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
    th:first-child, td:first-child { padding-left: 0; }
    tbody th { font-weight: 600; overflow-wrap: anywhere; }
    thead th { color: var(--quiet); font-weight: 600; font-size: 0.85rem; white-space: nowrap; vertical-align: bottom; }
    .number { text-align: right; white-space: nowrap; }
    .name { overflow-wrap: anywhere; min-width: 9rem; }
    th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
    th button::after { content: "\\2195"; opacity: 0.45; margin-left: 0.3em; }
    th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
    th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
    th[aria-sort=ascending], th[aria-sort=descending] { color: var(--ink); }

    .tools { display: flex; flex-wrap: wrap; gap: 0.5rem 0.75rem; align-items: center; margin-bottom: 0.5rem; }
    .tools input, .tools button { font: inherit; font-size: 0.9rem; color: inherit; background: var(--raised); border: 1px solid var(--quiet);
      border-radius: 6px; padding: 0.3rem 0.6rem; max-width: 100%; }
    .tools button { cursor: pointer; }
    .kill > tr:first-child > * { border-bottom: 0; padding-bottom: 0; overflow-wrap: anywhere; }
    .kill > tr:first-child > .number, .kill > tr:first-child > td:first-child { overflow-wrap: normal; white-space: nowrap; }
    .kill > .more > td { padding-top: 0.1rem; padding-left: 0; }
    .kill:target { background: var(--raised); }
    summary { cursor: pointer; color: var(--quiet); padding: 0.1rem 0 0.3rem; overflow-wrap: anywhere; }
    details[open] > summary { color: var(--ink); }
    .kill dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.15rem 1rem; margin: 0.4rem 0 1rem; font-size: 0.9rem; }
    .kill dt { color: var(--quiet); } .kill dd { margin: 0; overflow-wrap: anywhere; }
    .kill .scroll { contain: inline-size; }
    .scores { margin-bottom: 1rem; font-size: 0.8rem; } .scores td:nth-child(5) { width: 30%; } .scores td, .scores th { padding: 0.2rem 0.7rem 0.2rem 0; vertical-align: middle; }
    .scores > * > tr > .number:first-child { padding-left: 0.4rem; }
    .scores .victim > * { background: color-mix(in srgb, var(--alarm) 9%, transparent); }
    .scores tbody th { white-space: nowrap; }
    .tag { color: var(--alarm); font-weight: 600; }
    .bar { position: relative; display: flex; height: 1rem; min-width: 11rem; width: 100%; forced-color-adjust: none;
      print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    .bar i, .bar b { display: block; height: 100%; flex: none; }
    .bar i { box-shadow: inset -1px 0 var(--ground); }
    .part0 { background: var(--part0); } .part1 { background: var(--part1); } .part2 { background: var(--part2); }
    .part3 { background: var(--part3); } .part4 { background: var(--part4); }
    .part5 { background: repeating-linear-gradient(135deg, var(--part5) 0 3px, transparent 3px 6px); border: 1px solid var(--part5); }
    .bar .less { position: absolute; top: 0; border: 1px dashed var(--part5);
      background: repeating-linear-gradient(135deg, var(--ground) 0 3px, transparent 3px 6px); }
    .bar .points { position: absolute; top: -2px; bottom: -2px; height: auto; width: 3px; margin-left: -2px; background: var(--ink);
      box-shadow: 0 0 0 1px var(--ground); }
    .legend .points { width: 3px; height: 0.9rem; background: var(--ink); border-radius: 0; }
    footer { margin-top: 3rem; font-size: 0.85rem; color: var(--quiet); }

    @media (max-width: 50rem) {
      .tick.odd { display: none; }
      .kills thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
      .kills, .kills > tbody, .kills > tbody > tr.more, .kills > tbody > tr.more > td { display: block; }
      .kill > tr:first-child { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.1rem 1rem; padding-top: 0.75rem; }
      .kill > tr:first-child > *, .kill > tr:first-child > .number { padding: 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
      .kill > tr:first-child > td:nth-child(1), .kill > tr:first-child > td:nth-child(5) { grid-column: 1 / -1; }
      .kill > tr:first-child > th { grid-column: 1 / -1; grid-row: 1; }
      .kill .number::before, .kill .host::before { content: attr(data-label) " "; color: var(--quiet); }
      .kill dl { grid-template-columns: minmax(0, 1fr); gap: 0; } .kill dd { margin-bottom: 0.4rem; }
    }
    @media print {
      body { max-width: none; padding: 0; font-size: 10pt; }
      .tools, th button::after { display: none; }
      .sums div, .histories figure, .advice > li { background: none; break-inside: avoid; }
      .kill, tr, svg { break-inside: avoid; } h2, h3 { break-after: avoid; }
      .scroll, .tables .scroll { overflow: visible; max-height: none; }
      .kill .scroll { contain: none; } .scores, .scores td { font-size: 7pt; } .bar { min-width: 6rem; }
    }
    """
}
