// routed.cpp - see routed.h.

#include "routed.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "address/trace.h"
#include "qmail/control.h"
#include "qmail/routes.h"

namespace {

constexpr char FILE_NAME[] = "control/verifyroutes";

std::string names_of(const routes_table &table, const routes_table::route &route) {
  std::string out;
  for (const unsigned server : route.servers) {
    char text[UDP_TEXT_MAX];
    udp_format(&table.servers()[server], text);
    out.append(out.empty() ? "" : ", ").append(trace_shown(text));
  }
  return out;
}

}  // namespace

void vrfy_routed::tell(vrfy_host &host, const std::string &address, vrfy_judged &judged) {
  const address_question question = vrfy_question(options_, address);
  address_remote remote;
  if (judged.answer.verdict != QV_REMOTE || judged.steps.empty() || address_is_remote(host.get(), &question, &remote) != 1) return;
  const control_text file = control_slurp((options_.qmail + "/" + FILE_NAME).c_str());
  if (file.look == Look::absent) return;
  const control_text smtp = control_slurp((options_.qmail + "/control/smtproutes").c_str());
  const std::string_view to{remote.to, remote.len}, domain = to.substr(to.rfind('@') + 1);

  std::vector<vrfy_step> more;
  trace told(vrfy_step::keep, &more);
  std::vector<std::string> complaints;  // lint tells them
  if (file.look == Look::failed) {
    told.step(trace_step::routes_unreadable, {.file = FILE_NAME, .error = file.error});
  } else {
    const routes_table table(file.text, smtp.look == Look::failed ? nullptr : &smtp.text, smtp.error, complaints);
    const routes_table::route *route = table.find(domain);
    const auto line = static_cast<unsigned>(table.line_of(domain));
    judged.routed = route != nullptr;
    if (!route)
      told.step(line ? trace_step::routes_nobody : trace_step::routes_none, {.file = FILE_NAME, .line = line, .name = domain});
    else if (route->servers.empty())
      told.step(trace_step::routes_wrong, {.file = FILE_NAME, .line = line, .name = domain, .detail = route->wrong});
    else
      told.step(trace_step::routes_servers,
                {.file = FILE_NAME, .line = line, .name = domain, .detail = names_of(table, *route)});
  }
  judged.steps.insert(judged.steps.end() - 1, more.begin(), more.end());
}
