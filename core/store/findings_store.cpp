// SPDX-License-Identifier: Apache-2.0
#include "core/store/findings_store.h"

#include "core/store/store_schema.h"

#include "core/hdf5/h5_file.h"

#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kSchema = "quantoscope-findings";
constexpr int64_t kSchemaVersion = 1, kMostHeads = 1 << 16, kMostBase = 1 << 10;
constexpr size_t kLongestName = 32;
constexpr double kMostShift = 1e30, kMostRange = 1e3;

std::string nameOf(size_t block, const std::string& part) {
    return fmt::format("/blocks/{}/{}", block, part);
}

Error corrupt(const H5Reader& file, const std::string& name, std::string why) {
    return Error::corrupt(std::move(why), file.path().string() + ": " + name);
}

Result<void> writeRange(H5Writer& file, const std::string& name, const ChannelRange& range) {
    if (range.empty()) return {};
    QS_CHECK(file.array<float>(name + "_low", range.low, {range.low.size()}, H5Filter::Compress));
    return file.array<float>(name + "_high", range.high, {range.high.size()}, H5Filter::Compress);
}

Result<void> writeCodebook(H5Writer& file, const std::string& name, const KeyCodebook& book) {
    QS_CHECK(file.matrix(name + "/whiten", book.whiten, H5Filter::Compress));
    QS_CHECK(file.matrix(name + "/unwhiten", book.unwhiten, H5Filter::Compress));
    QS_CHECK(file.matrix(name + "/centers", book.centers, H5Filter::Compress));
    return file.attribute(name, "heads", int64_t(book.heads));
}

Result<void> requireFinite(const H5Reader& file, const std::string& name, std::span<const float> values) {
    for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i])) return corrupt(file, name, fmt::format("value {} is not finite", i));
    return {};
}

Result<ChannelRange> readRange(const H5Reader& file, const std::string& name) {
    ChannelRange out;
    if (!file.exists(name + "_low")) return out;
    QS_TRY(const H5Shape shape, file.shape(name + "_low"));
    QS_TRY(out.low, file.array<float>(name + "_low", shape));
    QS_TRY(out.high, file.array<float>(name + "_high", shape));
    QS_CHECK(requireFinite(file, name + "_low", out.low));
    QS_CHECK(requireFinite(file, name + "_high", out.high));
    for (size_t c = 0; c < out.low.size(); ++c)
        if (out.low[c] > out.high[c])
            return corrupt(file, name,
                           fmt::format("channel {} is from {} to {}", c, out.low[c], out.high[c]));
    return out;
}

Result<Matrix> readMatrix(const H5Reader& file, const std::string& name) {
    QS_TRY(const H5Shape shape, file.shape(name));
    if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) return corrupt(file, name, "is no matrix");
    QS_TRY(Matrix out, file.matrix<float>(name, shape[0], shape[1]));
    QS_CHECK(requireFinite(file, name, out.span()));
    return out;
}

Result<std::shared_ptr<const KeyCodebook>> readCodebook(const H5Reader& file, const std::string& name) {
    if (!file.exists(name)) return std::shared_ptr<const KeyCodebook>();
    auto out = std::make_shared<KeyCodebook>();
    QS_TRY(const int64_t heads, file.intAttribute(name, "heads", 1, kMostHeads));
    QS_TRY(out->whiten, readMatrix(file, name + "/whiten"));
    QS_TRY(out->unwhiten, readMatrix(file, name + "/unwhiten"));
    QS_TRY(out->centers, readMatrix(file, name + "/centers"));
    out->heads = size_t(heads);
    out->headDim = out->whiten.cols();
    out->length = out->centers.cols();
    if (out->whiten.rows() % out->heads != 0 || out->whiten.rows() / out->heads != out->headDim ||
        out->unwhiten.rows() != out->whiten.rows() || out->unwhiten.cols() != out->headDim ||
        out->headDim % out->length != 0)
        return corrupt(file, name, "its matrices do not fit each other");
    const size_t pieces = out->heads * (out->headDim / out->length);
    out->count = out->centers.rows() / pieces;
    if (out->centers.rows() % pieces != 0 || !std::has_single_bit(out->count))
        return corrupt(file, name,
                       fmt::format("{} centers for {} pieces of vectors", out->centers.rows(), pieces));
    return std::shared_ptr<const KeyCodebook>(std::move(out));
}

bool isBase(const json& value) {
    return value.is_number_integer() && value.get<int64_t>() > 0 && value.get<int64_t>() <= kMostBase;
}

json toJson(const RowChoice& c) {
    const RowChoice none;
    if (c.base && c == RowChoice{.base = c.base}) return *c.base;
    json out = json::object();
    if (c.base) out["base"] = *c.base;
    if (c.format != none.format) out["format"] = c.format;
    if (c.noSign) out["no_sign"] = true;
    if (c.adjust.range != none.adjust.range) out["range"] = c.adjust.range;
    if (c.adjust.shift != none.adjust.shift) out["shift"] = c.adjust.shift;
    if (c.fixed) out["fixed"] = {c.fixed->scale, c.fixed->zero};
    if (const auto& r = c.adjust.channels; !r.empty()) out["channels"] = {r.first, r.second};
    return out;
}

/// False when they are none.
bool readChannels(const json& value, ChannelReassembly& out) {
    if (!value.is_array() || value.size() != 2) return false;
    for (const json& list : value) {
        if (!list.is_array()) return false;
        for (const json& channel : list)
            if (!channel.is_number_unsigned() || channel.get<uint64_t>() > UINT32_MAX) return false;
    }
    out = {value[0].get<std::vector<uint32_t>>(), value[1].get<std::vector<uint32_t>>()};
    return bool(checkReassembly(out, out.first.size()));
}

/// False when it is none.
bool readFixed(const json& value, std::optional<FixedRange>& out) {
    if (!value.is_array() || value.size() != 2 || !value[0].is_number() || !value[1].is_number())
        return false;
    out = FixedRange{value[0].get<float>(), value[1].get<float>()};
    return out->scale > 0 && std::isfinite(out->scale) && std::isfinite(out->zero);
}

/// False when it is none.
bool readChoice(const json& value, RowChoice& out) {
    if (isBase(value)) {
        out.base = value.get<int>();
        return true;
    }
    if (!value.is_object()) return false;
    for (const auto& [key, part] : value.items()) {
        if (key == "base" && isBase(part))
            out.base = part.get<int>();
        else if (key == "format" && part.is_string() &&
                 part.get_ref<const std::string&>().size() <= kLongestName)
            out.format = part.get<std::string>();
        else if (key == "no_sign" && part.is_boolean())
            out.noSign = part.get<bool>();
        else if (key == "range" && part.is_number() && part.get<double>() > 0 &&
                 part.get<double>() <= kMostRange)
            out.adjust.range = part.get<float>();
        else if (key == "shift" && part.is_number() && std::fabs(part.get<double>()) <= kMostShift)
            out.adjust.shift = part.get<float>();
        else if (key == "fixed" && readFixed(part, out.fixed))
            continue;
        else if (key == "channels" && readChannels(part, out.adjust.channels))
            continue;
        else
            return false;
    }
    return true;
}

Result<void> readBases(const H5Reader& file, size_t blocks, RunFindings& out) {
    QS_TRY(const std::string text, file.text("/bases"));
    const json bases = json::parse(text, nullptr, false);
    if (!bases.is_object() || !bases.contains("inputs") || !bases.at("inputs").is_object() ||
        !bases.contains("probabilities") || !bases.at("probabilities").is_array())
        return corrupt(file, "/bases", "is no object with inputs and probabilities");
    for (const auto& [module, choice] : bases.at("inputs").items())
        if (!readChoice(choice, out.inputs[module]))
            return corrupt(file, "/bases", module + ": no choice: " + choice.dump());
    const json& list = bases.at("probabilities");
    if (!list.empty() && list.size() != blocks)
        return corrupt(file, "/bases", fmt::format("{} bases for {} blocks", list.size(), blocks));
    for (const json& base : list) {
        if (!isBase(base)) return corrupt(file, "/bases", "probabilities: no base: " + base.dump());
        out.probabilityBase.push_back(base.get<int>());
    }
    return {};
}

} // namespace

Result<void> writeFindings(const fs::path& path, const RunFindings& findings) {
    QS_TRY(auto file, H5Writer::begin(path));
    QS_CHECK(file->attribute("/", "schema", kSchema));
    QS_CHECK(file->attribute("/", "schema_version", kSchemaVersion));
    for (size_t b = 0; b < findings.blocks.size(); ++b) {
        const CacheFindings& f = findings.blocks[b];
        QS_CHECK(writeRange(*file, nameOf(b, "keys"), f.keys));
        QS_CHECK(writeRange(*file, nameOf(b, "values"), f.values));
        if (f.codebook) QS_CHECK(writeCodebook(*file, nameOf(b, "codebook"), *f.codebook));
    }
    json inputs = json::object();
    for (const auto& [module, choice] : findings.inputs)
        inputs[module] = toJson(choice);
    const json bases = {{"inputs", std::move(inputs)}, {"probabilities", findings.probabilityBase}};
    QS_CHECK(file->text("/bases", bases.dump()));
    return file->commit();
}

Result<RunFindings> readFindings(const fs::path& path, size_t blocks) {
    QS_TRY(const auto file, H5Reader::open(path));
    QS_CHECK(requireSchema(*file, kSchema, kSchemaVersion));
    RunFindings out;
    for (size_t b = 0; b < blocks; ++b) {
        CacheFindings f;
        QS_TRY(f.keys, readRange(*file, nameOf(b, "keys")));
        QS_TRY(f.values, readRange(*file, nameOf(b, "values")));
        QS_TRY(f.codebook, readCodebook(*file, nameOf(b, "codebook")));
        out.blocks.push_back(std::move(f));
    }
    QS_CHECK(readBases(*file, blocks, out));
    return out;
}

} // namespace qs
