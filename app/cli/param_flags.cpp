// SPDX-License-Identifier: Apache-2.0
#include "app/cli/param_flags.h"

#include "app/cli/command.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

std::string valueText(const ParamValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return paramValueToJson(value).dump();
}

std::string rangeText(const ParamSpec& spec) {
    const std::string unit = spec.unit.empty() ? "" : " " + spec.unit;
    switch (spec.type) {
    case ParamType::Int:
    case ParamType::Float:
        return fmt::format("{} to {}{}, default {}", spec.minimum, spec.maximum, unit,
                           valueText(spec.defaultValue));
    case ParamType::Choice:
        return fmt::format("{}; default {}", fmt::join(spec.choices, ", "), valueText(spec.defaultValue));
    case ParamType::Bool:
        break;
    }
    return "default " + valueText(spec.defaultValue);
}

const char* typeName(ParamType type) {
    return type == ParamType::Int ? "INT" : type == ParamType::Float ? "FLOAT" : "ID";
}

} // namespace

std::string flagName(const std::string& key) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

void ParamFlags::addOwner(const std::string& owner, const ParamSpecs& specs) {
    for (const ParamSpec& spec : specs) {
        if (flags_.count(spec.key) == 0) order_.push_back(spec.key);
        flags_[spec.key].owners.emplace_back(owner, &spec);
    }
}

void ParamFlags::declare(CLI::App& app, const std::string& group) {
    for (const std::string& key : order_)
        declareFlag(app, group, key, flags_.at(key));
}

void ParamFlags::declareFlag(CLI::App& app, const std::string& group, const std::string& key, Flag& flag) {
    // Entries that share a parameter word for word share its help.
    std::vector<std::pair<std::string, std::string>> helps; // text, owners
    bool switchOnly = true;
    for (const auto& [owner, spec] : flag.owners) {
        const std::string text = fmt::format("{} ({}). {}", spec->label, rangeText(*spec), spec->help);
        if (!helps.empty() && helps.back().first == text)
            helps.back().second += ", " + owner;
        else
            helps.emplace_back(text, owner);
        switchOnly = switchOnly && spec->type == ParamType::Bool;
    }
    std::string help;
    for (const auto& [text, owners] : helps)
        help += fmt::format("{}{} Of {}.", help.empty() ? "" : " ", text, owners);
    const std::string name = flagName(key);
    if (switchOnly) {
        const std::string negative = "--no-" + name.substr(2);
        app.add_flag(fmt::format("{}{{true}},{}{{false}}", name, negative), flag.text, help)
            ->group(group)
            ->each([this, key](const std::string& text) { given_[key] = text; });
        return;
    }
    app.add_option(name, flag.text, help)
        ->group(group)
        ->type_name(typeName(flag.owners.front().second->type))
        ->each([this, key](const std::string& text) { given_[key] = text; });
}

Params ParamFlags::valuesFor(const ParamSpecs& specs) const {
    nlohmann::json object = nlohmann::json::object();
    for (const ParamSpec& spec : specs) {
        const auto it = given_.find(spec.key);
        if (it == given_.end()) continue;
        auto value = parseParamText(spec, it->second, "");
        if (!value) refuseUsage(flagName(spec.key), value.error().message);
        object[spec.key] = paramValueToJson(*value);
    }
    auto params = Params::fromJson(specs, object, "");
    if (!params) refuseUsage("parameters", params.error().message);
    return std::move(params).value();
}

void ParamFlags::refuseOthers(const std::set<std::string>& chosen) const {
    for (const auto& [key, text] : given_) {
        const auto& owners = flags_.at(key).owners;
        if (std::any_of(owners.begin(), owners.end(),
                        [&](const auto& o) { return chosen.count(o.first) != 0; }))
            continue;
        std::string of, now;
        for (const auto& owner : owners)
            of += (of.empty() ? "" : ", ") + owner.first;
        for (const std::string& c : chosen)
            now += (now.empty() ? "" : ", ") + c;
        refuseUsage(flagName(key), fmt::format("is a parameter of {}, not of {}", of, now));
    }
}

} // namespace qs::cli
