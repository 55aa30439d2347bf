// SPDX-License-Identifier: Apache-2.0
// The JSON form of a sensitivity table: numbers that are not measured are left out.
#include "core/allocate/sensitivity.h"
#include "core/base/file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

constexpr const char* kSchema = "quantoscope-sensitivity";
constexpr int kVersion = 1;

void put(json& object, const char* key, double value) {
    if (!std::isnan(value)) object[key] = value;
}

/// Reads fields of one object; remembers the first that is wrong.
class Fields {
public:
    Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
        if (!object.is_object()) fail("is no object");
    }

    double number(const char* key) {
        const json* v = find(key);
        if (!v) return NAN;
        if (!v->is_number() || !(v->get<double>() >= 0)) fail(key, "a number of 0 or more", *v);
        return v->is_number() ? v->get<double>() : NAN;
    }
    uint64_t count(const char* key) {
        const json* v = find(key);
        if (v && v->is_number_unsigned()) return v->get<uint64_t>();
        if (v && v->is_number_integer() && v->get<int64_t>() >= 0) return v->get<uint64_t>();
        v ? fail(key, "a whole number of 0 or more", *v) : fail(fmt::format("has no '{}'", key));
        return 0;
    }
    std::string text(const char* key) {
        const json* v = find(key);
        if (v && !v->is_string()) fail(key, "a string", *v);
        return v && v->is_string() ? v->get<std::string>() : std::string();
    }
    const json& list(const char* key) {
        static const json none = json::array();
        const json* v = find(key);
        if (v && v->is_array()) return *v;
        v ? fail(key, "a list", *v) : fail(fmt::format("has no '{}'", key));
        return none;
    }
    void fail(const std::string& what) {
        if (!error_) error_ = Error::invalid(what, where_);
    }
    const std::optional<Error>& error() const { return error_; }

private:
    const json* find(const char* key) const {
        if (!object_.is_object()) return nullptr;
        const auto it = object_.find(key);
        return it == object_.end() ? nullptr : &*it;
    }
    void fail(const char* key, const char* expected, const json& value) {
        fail(fmt::format("'{}' must be {}, got {}", key, expected, value.dump().substr(0, 80)));
    }

    const json& object_;
    std::string where_;
    std::optional<Error> error_;
};

json cellJson(const SensitivityCell& cell) {
    json out = {{"bytes", cell.bytes}};
    if (!cell.legal()) out["refused"] = cell.refused;
    put(out, "weight_error", cell.weightError);
    put(out, "output_error", cell.outputError);
    put(out, "kl", cell.kl);
    put(out, "kl_stderr", cell.klStderr);
    put(out, "entropy_loss", cell.entropyLoss);
    put(out, "salience_error", cell.salienceError);
    put(out, "kept_gain", cell.keptGain);
    return out;
}

Result<SensitivityRow> rowFrom(const json& object, size_t candidates, const std::string& where) {
    Fields f(object, where);
    SensitivityRow row;
    row.module = f.text("module");
    row.fusedGroup = f.text("fused_group");
    row.weights = f.count("weights");
    row.keptBytes = f.count("kept_bytes");
    row.alpha = f.number("alpha");
    row.alphaError = f.number("alpha_error");
    row.pruneKl = f.number("prune_kl");
    row.pruneError = f.number("prune_error");
    row.blockCca = f.number("block_cca");
    const json& cells = f.list("cells");
    if (cells.size() != candidates)
        f.fail(fmt::format("has {} cells for {} candidates", cells.size(), candidates));
    if (row.module.empty()) f.fail("has no 'module'");
    if (f.error()) return *f.error();
    for (size_t c = 0; c < cells.size(); ++c) {
        Fields part(cells[c], fmt::format("{}.cells[{}]", where, c));
        SensitivityCell cell;
        cell.bytes = part.count("bytes");
        cell.refused = part.text("refused");
        cell.weightError = part.number("weight_error");
        cell.outputError = part.number("output_error");
        cell.kl = part.number("kl");
        cell.klStderr = part.number("kl_stderr");
        cell.entropyLoss = part.number("entropy_loss");
        cell.salienceError = part.number("salience_error");
        cell.keptGain = part.number("kept_gain");
        if (part.error()) return *part.error();
        row.cells.push_back(std::move(cell));
    }
    return row;
}

} // namespace

json SensitivityTable::toJson() const {
    json out = {{"schema", kSchema},
                {"version", kVersion},
                {"model", modelFingerprint},
                {"calibration", calibrationFingerprint},
                {"text", textFingerprint},
                {"protocol", protocol},
                {"seed", seed},
                {"checkpoint_bytes", checkpointBytes},
                {"candidates", json::array()},
                {"rows", json::array()}};
    for (const Scheme& s : candidates)
        out["candidates"].push_back(s.toJson());
    for (const SensitivityRow& r : rows) {
        json row = {{"module", r.module},
                    {"fused_group", r.fusedGroup},
                    {"weights", r.weights},
                    {"kept_bytes", r.keptBytes},
                    {"cells", json::array()}};
        put(row, "alpha", r.alpha);
        put(row, "alpha_error", r.alphaError);
        put(row, "prune_kl", r.pruneKl);
        put(row, "prune_error", r.pruneError);
        put(row, "block_cca", r.blockCca);
        for (const SensitivityCell& cell : r.cells)
            row["cells"].push_back(cellJson(cell));
        out["rows"].push_back(std::move(row));
    }
    return out;
}

Result<SensitivityTable> SensitivityTable::fromJson(const json& object, const std::string& where) {
    Fields f(object, where);
    if (f.text("schema") != kSchema) return Error::invalid("is no sensitivity table", where);
    if (f.count("version") != kVersion)
        return Error::unsupported(
            fmt::format("is of version {}, this program reads {}", f.count("version"), kVersion), where);
    SensitivityTable table;
    table.modelFingerprint = f.text("model");
    table.calibrationFingerprint = f.text("calibration");
    table.textFingerprint = f.text("text");
    table.protocol = f.text("protocol");
    table.seed = f.count("seed");
    table.checkpointBytes = f.count("checkpoint_bytes");
    const json &candidates = f.list("candidates"), &rows = f.list("rows");
    if (f.error()) return *f.error();
    for (size_t i = 0; i < candidates.size(); ++i) {
        QS_TRY(Scheme scheme, Scheme::fromJson(candidates[i], fmt::format("{}: candidates[{}]", where, i)));
        table.candidates.push_back(std::move(scheme));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
        QS_TRY(SensitivityRow row,
               rowFrom(rows[i], table.candidates.size(), fmt::format("{}: rows[{}]", where, i)));
        table.rows.push_back(std::move(row));
    }
    return table;
}

Result<void> SensitivityTable::save(const std::filesystem::path& file) const {
    return writeFileAtomically(file, toJson().dump(1) + "\n");
}

Result<SensitivityTable> SensitivityTable::load(const std::filesystem::path& file) {
    QS_TRY(const std::string text, readTextFile(file));
    const json object = json::parse(text, nullptr, false);
    if (object.is_discarded()) return Error::invalid("is not valid JSON", file.string());
    return fromJson(object, file.string());
}

} // namespace qs
