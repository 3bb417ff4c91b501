/** The looks of the page: light and dark, wide and on a phone. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f7f7f5, #15171a);
  --card: light-dark(#ffffff, #1e2125);
  --line: light-dark(#dcdcd8, #33373d);
  --text: light-dark(#1c1d1f, #e8e9ea);
  --quiet: light-dark(#61656b, #9ba1a8);
  --in: light-dark(#1f6fb5, #62aef0);
  --out: light-dark(#b0561a, #f0975a);
  --calm: light-dark(#3b7d4f, #6cc088);
  --alarm: light-dark(#b3261e, #f2837b);
  font: 15px/1.45 system-ui, sans-serif;
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--ground); color: var(--text); }
[hidden] { display: none !important; }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
#state { margin: 0; color: var(--quiet); }
#state.alarm { color: var(--alarm); }
#controls, #login { display: flex; gap: .6rem 1rem; flex-wrap: wrap; align-items: center; margin: .8rem 0; }
#controls label, #login label { color: var(--quiet); }
input, select, button {
  font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--line);
  border-radius: .35rem; padding: .3rem .5rem; min-height: 2.2rem;
}
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--in); outline-offset: 1px; }
section, .host {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; margin: 0 0 1rem;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .6rem; }
.tile { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .6rem .3rem; min-width: 0; }
.tile .name { color: var(--quiet); font-size: .8rem; display: block; }
.tile .value { font-size: 1.15rem; font-variant-numeric: tabular-nums; display: block; }
.tile .more { color: var(--quiet); font-size: .8rem; display: block; min-height: 1.2em; }
.tile svg { display: block; width: 100%; height: 34px; margin-top: .2rem; }
.tile path { fill: none; stroke: var(--calm); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.tile path.area { stroke: none; fill: var(--calm); opacity: .14; }
.tile.in path { stroke: var(--in); }
.tile.in path.area { fill: var(--in); }
.tile.out path { stroke: var(--out); }
.tile.out path.area { fill: var(--out); }
.scroll { overflow-x: auto; margin-top: .8rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; font-size: .85rem; }
th:first-child, td:first-child { text-align: left; }
th[aria-sort] { color: var(--text); }
#others td:first-child { overflow-wrap: anywhere; white-space: normal; }
td button { min-height: 1.8rem; padding: .1rem .5rem; color: var(--alarm); }
.alarm { color: var(--alarm); }
.note { color: var(--quiet); margin: .6rem 0 0; }
@media (max-width: 34rem) {
  body { padding: .6rem; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  th.minor, td.minor { display: none; }
  table { font-size: .85rem; }
  th, td { padding: .35rem .2rem; }
}
`;
