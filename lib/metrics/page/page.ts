/** The page of a metrics server. What it shows is put together by its script. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ENet hosts</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
</head>
<body>
<header>
  <h1>ENet hosts</h1>
  <p id="state" role="status">Connecting</p>
</header>
<form id="login" hidden>
  <label>Token <input id="token" type="password" autocomplete="current-password" required></label>
  <button>Show</button>
</form>
<main id="main" hidden>
  <div id="controls">
    <label>Order by
      <select id="sort">
        <option value="traffic">traffic</option>
        <option value="round-trip">round trip</option>
        <option value="loss">loss</option>
        <option value="queue">queue</option>
      </select>
    </label>
    <label>Address <input id="filter" type="search" maxlength="64" placeholder="contains"></label>
    <button id="pause" type="button" aria-pressed="false">Pause</button>
  </div>
  <div id="hosts"></div>
  <section id="others" hidden>
    <h2>Other sources</h2>
    <table><tbody></tbody></table>
  </section>
</main>
<noscript>This page needs JavaScript. The text for Prometheus is at <a href="metrics">metrics</a>.</noscript>
<script type="module" src="page.js"></script>
</body>
</html>
`;
