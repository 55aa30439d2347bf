// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/RecipeOf.h"

#include <algorithm>

namespace qs::app {

namespace {

using SchemePtr = SchemeBook::SchemePtr;

/// "layers.12.mlp.down_proj" -> "layers.*.mlp.down_proj".
std::string overBlocks(const std::string& module) {
    std::string out;
    for (size_t begin = 0; begin <= module.size();) {
        const size_t end = std::min(module.find('.', begin), module.size());
        const std::string part = module.substr(begin, end - begin);
        const bool number = !part.empty() && std::all_of(part.begin(), part.end(),
                                                         [](char c) { return c >= '0' && c <= '9'; });
        out += (begin > 0 ? "." : "") + (number ? "*" : part);
        begin = end + 1;
    }
    return out;
}

template<class Map>
auto mostCommon(const Map& counts) {
    return std::max_element(counts.begin(), counts.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
}

std::optional<Scheme> valueOf(const SchemePtr& s) {
    return s ? std::optional<Scheme>(*s) : std::nullopt;
}

struct PatternScheme {
    std::string pattern;
    SchemePtr scheme;
};

/// What the rules decide for a module that no exception names; null as well where none matches.
SchemePtr decided(const std::vector<PatternScheme>& patterns, const std::string& module) {
    for (const PatternScheme& p : patterns)
        if (globMatches(p.pattern, module)) return p.scheme;
    return nullptr;
}

} // namespace

Recipe recipeOf(const Model& model, const std::vector<SchemePtr>& schemes, const PlanSettings& settings,
                const std::string& name) {
    Recipe out;
    out.name = name;
    out.seed = settings.seed;
    static_cast<ModelSettings&>(out) = settings;
    const auto& targets = model.targets();
    if (targets.empty()) return out;
    std::map<SchemePtr, int> all;
    std::unordered_map<std::string, std::map<SchemePtr, int>> byPattern;
    std::vector<std::string> patternOf, order;
    for (size_t t = 0; t < targets.size(); ++t) {
        patternOf.push_back(overBlocks(targets[t].module));
        auto& counts = byPattern[patternOf[t]];
        if (counts.empty()) order.push_back(patternOf[t]);
        ++counts[schemes[t]];
        ++all[schemes[t]];
    }
    std::unordered_map<std::string, SchemePtr> usual;
    for (const std::string& pattern : order)
        usual[pattern] = mostCommon(byPattern[pattern]);
    const SchemePtr fallback = mostCommon(all);
    std::vector<char> exception(targets.size(), 0);
    for (size_t t = 0; t < targets.size(); ++t)
        if (schemes[t] != usual[patternOf[t]]) {
            exception[t] = 1;
            out.rules.push_back({targets[t].module, valueOf(schemes[t])});
        }
    std::vector<PatternScheme> patterns;
    bool fallbackDecides = false;
    for (const std::string& pattern : order) {
        if (usual[pattern] != fallback) patterns.push_back({pattern, usual[pattern]});
        fallbackDecides |= usual[pattern] == fallback;
    }
    if (fallbackDecides) patterns.push_back({"*", fallback});
    for (const PatternScheme& p : patterns)
        out.rules.push_back({p.pattern, valueOf(p.scheme)});
    // A pattern may reach a module of another shape ("a.*.b" also matches "a.0.c.b"): then every tensor is
    // named.
    for (size_t t = 0; t < targets.size(); ++t) {
        if (exception[t] || decided(patterns, targets[t].module) == schemes[t]) continue;
        out.rules.clear();
        for (size_t i = 0; i < targets.size(); ++i)
            out.rules.push_back({targets[i].module, valueOf(schemes[i])});
        break;
    }
    return out;
}

} // namespace qs::app
