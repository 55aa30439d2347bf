// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/KlRecord.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace qs::app {

using nlohmann::json;
using As = MeasuredKl::As;

namespace {

/// Stored, never renamed.
constexpr std::array<std::pair<As, const char*>, 3> kNames = {
    {{As::Run, "run"}, {As::Method, "method"}, {As::Nearest, "nearest"}}};

Result<As> asOf(const json& name, const std::string& where) {
    for (const auto& [as, text] : kNames)
        if (name == text) return as;
    return Error::corrupt("must be run, method or nearest, got " + name.dump(), where + ".as");
}

Result<std::string> textOf(const json& object, const char* key, const std::string& where) {
    const auto it = object.find(key);
    if (it == object.end()) return std::string();
    if (!it->is_string()) return Error::corrupt("must be a text, got " + it->dump(), where + "." + key);
    return it->get<std::string>();
}

Result<std::map<std::string, double>> valuesOf(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::corrupt("must be an object of numbers", where);
    std::map<std::string, double> out;
    for (const auto& [module, value] : object.items()) {
        if (!value.is_number() || !std::isfinite(value.get<double>()))
            return Error::corrupt("must be a finite number, got " + value.dump(), where + "." + module);
        out[module] = value.get<double>();
    }
    return out;
}

} // namespace

json KlRecord::toJson() const {
    json out = {{"scheme", scheme.toJson()}, {"text", text}, {"kl", kl}};
    for (const auto& [a, name] : kNames)
        if (a == as) out["as"] = name;
    if (!calibration.empty()) out["calibration"] = calibration;
    if (!transforms.empty()) out["transforms"] = transformsToJson(transforms);
    return out;
}

Result<KlRecord> KlRecord::fromJson(const json& object, const std::string& where) {
    if (!object.is_object()) return Error::corrupt("must be an object", where);
    KlRecord out;
    QS_TRY(out.scheme, Scheme::fromJson(object.value("scheme", json()), where + ".scheme"));
    QS_TRY(out.as, asOf(object.value("as", json()), where));
    QS_TRY(out.calibration, textOf(object, "calibration", where));
    QS_TRY(out.text, textOf(object, "text", where));
    QS_TRY(out.kl, valuesOf(object.value("kl", json()), where + ".kl"));
    if (object.contains("transforms")) {
        QS_TRY(out.transforms, transformsFromJson(object.at("transforms"), where + ".transforms"));
    }
    return out;
}

std::vector<KlRecord> klRecords(const SchemeTable& table) {
    std::vector<KlRecord> out;
    for (const MeasuredKl& m : table.measuredKl()) {
        if (!std::isfinite(m.kl)) continue; // not a JSON number
        const auto same = [&](const KlRecord& r) {
            return r.scheme == *m.scheme && r.as == m.as && r.transforms == m.transforms &&
                   r.calibration == m.calibration && r.text == m.text;
        };
        auto record = std::find_if(out.begin(), out.end(), same);
        if (record == out.end())
            record = out.insert(out.end(), {*m.scheme, m.as, m.transforms, m.calibration, m.text, {}});
        record->kl[table.row(m.target).module.toStdString()] = m.kl;
    }
    return out;
}

std::vector<MeasuredKl> measuredKl(const std::vector<KlRecord>& records, const SchemeTable& table,
                                   const std::string& text) {
    std::vector<MeasuredKl> out;
    for (const KlRecord& r : records) {
        if (r.text != text) continue;
        const auto scheme = std::make_shared<const Scheme>(r.scheme);
        for (const auto& [module, kl] : r.kl)
            if (const int target = table.indexOf(QString::fromStdString(module)); target >= 0)
                out.push_back({target, kl, scheme, r.as, r.transforms, r.calibration, r.text});
    }
    return out;
}

} // namespace qs::app
