#include "cli/simulate_looks.hpp"

#include <array>

#include <fmt/format.h>

namespace planaria::cli {
namespace {

// Paul Tol's "vibrant": told apart with any common kind of colour blindness, on white as on black.
// Dashes tell lines apart a second time.
constexpr std::array<const char*, 6> colours{"#0077bb", "#ee7733", "#009988",
                                             "#ee3377", "#33bbee", "#cc3311"};
constexpr std::array<const char*, 6> dashes{"none", "9 3", "3 2.5", "12 3 3 3", "6 2", "1.5 2"};
// From his "iridescent", whose lightness falls; black words can be read on all of them.
constexpr std::array<const char*, depth_looks> depth_colours{"#f5f3c1", "#ddecbf", "#c2e3d2",
                                                             "#a8d8dc", "#8dcbe4", "#7bbce7",
                                                             "#88a5dd", "#9398d2", "#a58fc9"};

constexpr const char* sheet = R"(:root{color-scheme:light dark;--ground:#fff;--word:#24292f;
--quiet:#59636e;--rule:#d8dee4;--there:#d7dee6;--count:#6b7684}
@media (prefers-color-scheme:dark){:root{--ground:#16191d;--word:#e3e7ec;--quiet:#a3adb8;
--rule:#343b43;--there:#2c343c;--count:#99a3ae}}
*{box-sizing:border-box}
body{margin:24px;padding-bottom:150px;background:var(--ground);color:var(--word);
font:14px/1.45 system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif}
main{max-width:1500px;margin:auto}
h1{font-size:20px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:16px;margin:28px 0 4px}
h3{font-size:13px;margin:10px 0 3px}h3 small{font-weight:400;color:var(--quiet);margin-left:10px}
p{color:var(--quiet);margin:0 0 10px;max-width:80em;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:14px 0 8px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:3px 16px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule);
vertical-align:top}
th{vertical-align:bottom}.summary th{white-space:normal}
th{font-weight:600}th:first-child,td:first-child,th.why,td.why{text-align:left}
td.why{white-space:normal;min-width:18em}
details{margin:6px 0}summary{cursor:pointer}
.chart{position:relative;margin-left:52px;margin-right:14px}
.plot{position:relative}.plot svg{position:absolute;left:0;top:0;width:100%;height:100%}
.plot svg{overflow:visible}.named{position:relative;margin-top:8px}
.amount{position:absolute;right:100%;margin-right:7px;transform:translateY(-50%);
font-size:11px;line-height:1;color:var(--quiet);white-space:nowrap}
.axis{position:relative;height:17px;margin-top:3px}
.axis span{position:absolute;transform:translateX(-50%);font-size:11px;color:var(--quiet)}
.unit{font-size:11px;color:var(--quiet);text-align:center}
.grid,.zero,.count,.best,.line,.stood,.joined,.lost{vector-effect:non-scaling-stroke}
.grid{fill:none;stroke:var(--rule);stroke-width:1}.zero{fill:none;stroke:var(--count);stroke-width:1}
.there{fill:var(--there)}.count{fill:none;stroke:var(--count);stroke-width:1.3}
.best{fill:none;stroke:var(--word);stroke-width:1.2}
.joined{fill:#009988;stroke:#009988;stroke-width:.6}.lost{fill:#cc3311;stroke:#cc3311;stroke-width:.6}
.line{fill:none;stroke:var(--look);stroke-width:2;stroke-linejoin:round}
.used{fill:var(--look);fill-opacity:.55}.stood{fill:var(--look);stroke:var(--look);stroke-width:.6}
.sample{width:28px;height:8px;margin-right:6px;vertical-align:middle}
.key{display:inline-block;margin-right:12px;white-space:nowrap;color:var(--word)}
.key[class*=' d']{padding:0 7px;margin-right:2px;color:#1b1f24;font-size:12px}
.band{position:relative;height:15px;margin-top:3px;overflow:hidden;background:var(--rule)}
.band span{position:absolute;top:0;height:15px;overflow:hidden;display:flex;flex-wrap:wrap;
justify-content:center;color:#1b1f24;font-size:10px;line-height:15px}
.band span::before{content:'';width:0;height:15px}.band b{font-weight:400;padding:0 1px}
.cursor{position:absolute;top:0;bottom:0;width:1px;background:var(--word);display:none;
pointer-events:none}
#now{position:fixed;left:0;right:0;bottom:0;padding:6px 24px 8px;background:var(--ground);
border-top:1px solid var(--rule);font-size:12px;display:none;pointer-events:none}
#now td,#now th{border:0;padding:0 14px 0 0}
@media (max-width:640px){body{margin:12px}.chart{margin-left:44px;margin-right:8px}
.axis .odd{display:none}#now{padding:4px 12px;font-size:11px}#now td,#now th{padding-right:8px}
th,td{padding-right:9px}table{font-size:12px}}
)";

// No < and no &: both would have to be written otherwise in XML.
constexpr const char* code = R"((function () {
  const data = JSON.parse(document.getElementById('data').textContent);
  const count = data.machines.length, now = document.getElementById('now');
  const sums = list => { let sum = 0; return list.map(value => sum += value); };
  const ideal = sums(data.ideal), reached = data.policies.map(one => sums(one.samples));
  const plots = Array.from(document.querySelectorAll('.plot, .band'));
  const cursors = Array.from(document.querySelectorAll('.cursor'));
  const two = value => String(value).padStart(2, '0');
  const clock = ms => { const s = Math.floor(ms / 1000 + 1e-6);
    return Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) + ':' + two(s % 60); };
  const table = now.appendChild(document.createElement('table'));
  const row = kind => { const line = table.appendChild(document.createElement('tr'));
    return text => { line.appendChild(document.createElement(kind)).textContent = text; }; };
  const show = t => {
    table.textContent = '';
    const head = row('th');
    head(clock(data.begin_ms + t * data.interval_ms));
    head(data.machines[t] + (data.machines[t] === 1 ? ' machine' : ' machines') +
         (data.joined[t] ? ' +' + data.joined[t] : '') +
         (data.lost[t] ? ' \u2212' + data.lost[t] : ''));
    ['stood still', 'so far', 'of ideal'].forEach(head);
    data.policies.forEach((one, place) => {
      const cell = row('td');
      cell(one.policy);
      cell(one.layout[t]);
      cell((one.standing_ms[t] / 1000).toFixed(1) + ' s');
      cell(Math.round(reached[place][t]));
      cell(ideal[t] ? (reached[place][t] / ideal[t]).toFixed(4) : '');
    });
    now.style.display = 'block';
    cursors.forEach(cursor => { cursor.style.display = 'block';
      cursor.style.left = 100 * (t + 0.5) / count + '%'; });
  };
  const hide = () => { now.style.display = 'none';
    cursors.forEach(cursor => { cursor.style.display = 'none'; }); };
  plots.forEach(plot => {
    plot.addEventListener('pointermove', event => {
      const box = plot.getBoundingClientRect();
      const at = Math.floor(count * (event.clientX - box.left) / box.width);
      show(Math.max(0, Math.min(count - 1, at)));
    });
    plot.addEventListener('pointerleave', hide);
  });
})();
)";

}  // namespace

std::string simulate_page_style() {
  std::string style = sheet;
  for (std::size_t look = 0; look < policy_looks; ++look) {
    // Colours come round again with other dashes.
    const std::size_t dash = (look + look / colours.size()) % dashes.size();
    style += fmt::format(".p{0}{{--look:{1}}}.line.p{0}{{stroke-dasharray:{2}}}\n", look,
                         colours.at(look % colours.size()), dashes.at(dash));
  }
  for (std::size_t look = 0; look < depth_looks; ++look) {
    style += fmt::format(".d{}{{background:{}}}", look, depth_colours.at(look));
  }
  return style + "\n";
}

std::string simulate_page_script() {
  return code;
}

}  // namespace planaria::cli
