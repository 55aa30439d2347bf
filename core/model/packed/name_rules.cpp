// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/name_rules.h"

#include <algorithm>

namespace qs {

Result<StartPattern> StartPattern::compile(const std::string& expression, const std::string& where) {
    QS_TRY(text::Pattern pattern, text::Pattern::regex("\\A(?:" + expression + ")", where));
    return StartPattern(std::move(pattern));
}

Result<bool> StartPattern::matches(const std::string& name) const {
    std::vector<text::Stretch> found;
    QS_CHECK(pattern_.findAll(name, found));
    return std::any_of(found.begin(), found.end(),
                       [](const text::Stretch& s) { return s.isMatch && s.begin == 0; });
}

bool skipEntryNames(const std::string& entry, const std::string& module) {
    std::string_view name = entry;
    if (name.ends_with(".*")) name.remove_suffix(2);
    while (name.ends_with('.'))
        name.remove_suffix(1);
    if (name.empty()) return false;
    for (size_t at = module.find(name); at != std::string::npos; at = module.find(name, at + 1)) {
        const size_t end = at + name.size();
        if ((at == 0 || module[at - 1] == '.') && (end == module.size() || module[end] == '.')) return true;
    }
    return false;
}

const std::string* findSkipEntry(const std::vector<std::string>& entries, const std::string& module) {
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const std::string& e) { return skipEntryNames(e, module); });
    return it == entries.end() ? nullptr : &*it;
}

Result<NameTargets> NameTargets::parse(const std::vector<std::string>& entries, const std::string& where) {
    NameTargets t;
    for (const std::string& entry : entries) {
        if (entry.starts_with("re:")) {
            QS_TRY(StartPattern pattern, StartPattern::compile(entry.substr(3), where));
            t.patterns_.push_back(std::move(pattern));
        } else {
            t.linears_ = t.linears_ || entry == "Linear";
            t.names_.push_back(entry);
        }
    }
    std::sort(t.names_.begin(), t.names_.end());
    return t;
}

Result<NameTargets::Match> NameTargets::match(const std::string& module) const {
    if (std::binary_search(names_.begin(), names_.end(), module)) return Match::Exact;
    for (const StartPattern& p : patterns_) {
        QS_TRY(const bool matches, p.matches(module));
        if (matches) return Match::Pattern;
    }
    return linears_ ? Match::Class : Match::None;
}

} // namespace qs
