// SPDX-License-Identifier: Apache-2.0
#include "core/export/verify.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

constexpr const char* kSchema = "quantoscope-receipt";
constexpr int kVersion = 1;

json lineToJson(const ReceiptLine& line) {
    return {{"tensor", line.tensor},      {"planned", line.planned},
            {"done", line.done},          {"codes_differing", line.codesDiffering},
            {"max_delta", line.maxDelta}, {"not_finite", line.notFinite}};
}

ReceiptLine lineFromJson(const json& j) {
    ReceiptLine line;
    line.tensor = j.at("tensor").get<std::string>();
    line.planned = j.at("planned").get<std::string>();
    line.done = j.at("done").get<std::string>();
    line.codesDiffering = j.at("codes_differing").get<uint64_t>();
    line.maxDelta = j.at("max_delta").get<double>();
    line.notFinite = j.at("not_finite").get<uint64_t>();
    return line;
}

} // namespace

std::string Receipt::summary() const {
    if (verified) return "Verified. The file holds what was planned.";
    return "Not verified. " + firstDifference(*this);
}

json Receipt::toJson() const {
    json out = {{"schema", kSchema},     {"version", kVersion},           {"exporter", exporter},
                {"run", run.string()},   {"bytes_planned", bytesPlanned}, {"bytes_written", bytesWritten},
                {"max_delta", maxDelta}, {"verified", verified}};
    if (!transforms.empty()) out["transforms"] = transformsToJson(transforms);
    out["tensors"] = json::array();
    for (const ReceiptLine& line : lines)
        out["tensors"].push_back(lineToJson(line));
    out["sha256"] = json::object();
    for (const auto& [name, hash] : files)
        out["sha256"][name] = hash;
    return out;
}

Result<Receipt> Receipt::fromJson(const json& j) {
    try {
        if (j.at("schema") != kSchema) return Error::corrupt("is not a receipt", "receipt: schema");
        if (j.at("version") != kVersion)
            return Error::unsupported(fmt::format("version {} is not {}", j.at("version").dump(), kVersion),
                                      "receipt: version");
        Receipt r;
        r.exporter = j.at("exporter").get<std::string>();
        r.run = j.at("run").get<std::string>();
        r.bytesPlanned = j.at("bytes_planned").get<uint64_t>();
        r.bytesWritten = j.at("bytes_written").get<uint64_t>();
        r.maxDelta = j.at("max_delta").get<double>();
        r.verified = j.at("verified").get<bool>();
        if (j.contains("transforms")) {
            QS_TRY(r.transforms, transformsFromJson(j.at("transforms"), "receipt: transforms"));
        }
        for (const json& line : j.at("tensors"))
            r.lines.push_back(lineFromJson(line));
        for (const auto& [name, hash] : j.at("sha256").items())
            r.files.emplace_back(name, hash.get<std::string>());
        return r;
    } catch (const json::exception& e) {
        return Error::corrupt(e.what(), "receipt");
    }
}

} // namespace qs
