// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/evaluation_store.h"

#include "core/hdf5/h5_file.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kSchema = "quantoscope-evaluation";
constexpr int64_t kSchemaVersion = 1;
constexpr uint64_t kMaxTokens = uint64_t(1) << 31;
constexpr size_t kKeyDigits = 16;

json metaOf(const Evaluation& e) {
    json j = {{"masked_tokens", e.maskedTokens},
              {"mask_seed", e.maskSeed},
              {"protocol", e.protocol},
              {"source", e.source},
              {"weights", e.weights},
              {"weights_fingerprint", e.weightsFingerprint},
              {"reference", e.hasReference ? json(e.reference) : json()},
              {"reference_fingerprint", e.hasReference ? json(e.referenceFingerprint) : json()},
              {"app_version", QS_VERSION}};
    if (e.precision != Precision::F32) j["precision"] = precisionName(e.precision);
    return j;
}

Result<void> readMeta(const std::string& text, const std::string& where, Evaluation& e) {
    const json j = json::parse(text, nullptr, false);
    if (j.is_discarded()) return Error::corrupt("not valid JSON", where);
    try {
        e.maskedTokens = j.at("masked_tokens").get<bool>();
        e.maskSeed = j.at("mask_seed").get<uint64_t>();
        e.protocol = j.at("protocol").get<std::string>();
        e.source = j.at("source").get<std::string>();
        e.weights = j.at("weights").get<std::string>();
        e.weightsFingerprint = j.at("weights_fingerprint").get<std::string>();
        const auto precision =
            precisionFromName(j.value("precision", std::string(precisionName(Precision::F32))));
        if (!precision) return Error::corrupt(precision.error().message, where);
        e.precision = *precision;
        e.hasReference = !j.at("reference").is_null();
        if (!e.hasReference) return {};
        e.reference = j.at("reference").get<std::string>();
        e.referenceFingerprint = j.at("reference_fingerprint").get<std::string>();
        return {};
    } catch (const json::exception& x) {
        return Error::corrupt(x.what(), where);
    }
}

/// Every window has as many scored tokens, in order and inside of it.
Result<void> checkPositions(const Evaluation& e) {
    const size_t count = e.tokenAt.size(), windows = e.windows(), length = e.windowLength();
    if (count == 0 || count % windows != 0 || count / windows > length)
        return Error::corrupt(
            fmt::format("{} scored tokens do not fit {} windows of {}", count, windows, length));
    for (size_t i = 0; i < count; ++i) {
        const int64_t at = e.tokenAt[i];
        const bool ascends = i == 0 || at > e.tokenAt[i - 1];
        if (at < 0 || size_t(at) / length != i / (count / windows) || !ascends)
            return Error::corrupt(
                fmt::format("token_at[{}] is {}, not a place in window {} after the last one", i, at,
                            i / (count / windows)));
    }
    return {};
}

Result<void> checkValues(const char* name, const std::vector<float>& values) {
    for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i]) || values[i] < 0)
            return Error::corrupt(
                fmt::format("{}[{}] is {}, expected a finite number of 0 or more", name, i, values[i]));
    return {};
}

Result<void> checkIds(const char* name, std::span<const int32_t> ids) {
    for (size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0)
            return Error::corrupt(fmt::format("{}[{}] is {}, expected 0 or more", name, i, ids[i]));
    return {};
}

Result<void> checkContent(const Evaluation& e) {
    QS_CHECK(checkPositions(e));
    QS_CHECK(checkIds("text", e.text->span()));
    QS_CHECK(checkIds("token_top", e.tokenTop));
    QS_CHECK(checkIds("reference_top", e.referenceTop));
    QS_CHECK(checkValues("token_nll", e.tokenNll));
    QS_CHECK(checkValues("token_kl", e.tokenKl));
    return checkValues("reference_nll", e.referenceTokenNll);
}

Result<void> readText(const H5Reader& file, Evaluation& e) {
    QS_TRY(const H5Shape shape, file.shape("/text"));
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 2 || shape[0] > kMaxTokens / shape[1])
        return Error::corrupt(
            fmt::format("must be [windows, length >= 2] with at most {} tokens", kMaxTokens), "/text");
    QS_TRY(TokenWindows text, file.matrix<int32_t>("/text", shape[0], shape[1]));
    e.textFingerprint = sha256Hex(std::as_bytes(text.span()));
    e.text = std::make_shared<const TokenWindows>(std::move(text));
    return {};
}

Result<void> readArrays(const H5Reader& file, Evaluation& e) {
    QS_TRY(const H5Shape shape, file.shape("/token_at"));
    if (shape.size() != 1) return Error::corrupt("must have one dimension", "/token_at");
    QS_TRY(e.tokenAt, file.array<int32_t>("/token_at", shape));
    QS_TRY(e.tokenTop, file.array<int32_t>("/token_top", shape));
    QS_TRY(e.tokenNll, file.array<float>("/token_nll", shape));
    if (!e.hasReference) return {};
    QS_TRY(e.tokenKl, file.array<float>("/token_kl", shape));
    QS_TRY(e.referenceTokenNll, file.array<float>("/reference_nll", shape));
    QS_TRY(e.referenceTop, file.array<int32_t>("/reference_top", shape));
    return {};
}

Result<Evaluation> read(const H5Reader& file) {
    QS_TRY(const std::string schema, file.stringAttribute("/", "schema"));
    if (schema != kSchema)
        return Error::corrupt(fmt::format("schema is '{}', expected '{}'", schema, kSchema));
    QS_TRY(const int64_t version, file.intAttribute("/", "schema_version", 1, 1 << 20));
    if (version != kSchemaVersion)
        return Error::unsupported(
            fmt::format("schema version {}, this program reads {}", version, kSchemaVersion));
    Evaluation e;
    QS_TRY(const std::string meta, file.text("/meta"));
    QS_CHECK(readMeta(meta, "/meta", e));
    QS_CHECK(readText(file, e));
    QS_CHECK(readArrays(file, e));
    QS_CHECK(checkContent(e));
    e.summarize();
    return e;
}

} // namespace

Result<void> saveEvaluation(const fs::path& file, const Evaluation& e) {
    if (!e.text) return Error::invalid("an evaluation without its text cannot be kept", file.string());
    if (auto rules = checkContent(e); !rules) return rules.takeError().at(file.string());
    std::error_code ec;
    fs::create_directories(file.parent_path(), ec);
    QS_TRY(const auto out, H5Writer::begin(file));
    const H5Shape shape = {e.tokenNll.size()};
    QS_CHECK(out->attribute("/", "schema", kSchema));
    QS_CHECK(out->attribute("/", "schema_version", kSchemaVersion));
    // Labels come from file names, which need not be UTF-8.
    QS_CHECK(out->text("/meta", metaOf(e).dump(1, ' ', false, json::error_handler_t::replace)));
    QS_CHECK(out->matrix("/text", *e.text, H5Filter::Compress));
    QS_CHECK(out->array<int32_t>("/token_at", e.tokenAt, shape, H5Filter::Compress));
    QS_CHECK(out->array<int32_t>("/token_top", e.tokenTop, shape, H5Filter::Compress));
    QS_CHECK(out->array<float>("/token_nll", e.tokenNll, shape, H5Filter::Compress));
    if (e.hasReference) {
        QS_CHECK(out->array<float>("/token_kl", e.tokenKl, shape, H5Filter::Compress));
        QS_CHECK(out->array<float>("/reference_nll", e.referenceTokenNll, shape, H5Filter::Compress));
        QS_CHECK(out->array<int32_t>("/reference_top", e.referenceTop, shape, H5Filter::Compress));
    }
    return out->commit();
}

Result<Evaluation> loadEvaluation(const fs::path& file) {
    QS_TRY(const auto in, H5Reader::open(file));
    auto e = read(*in);
    if (!e) return e.takeError().at(file.string());
    return e;
}

fs::path evaluationFile(const fs::path& folder, const std::string& weightsFingerprint,
                        const std::string& referenceFingerprint, const TokenWindows& text, uint64_t maskSeed,
                        Precision precision) {
    std::string protocol = fmt::format(
        "{} {}\nreference {}\ntext {} [{}, {}]\nmask seed {}\n", kSchema, kSchemaVersion,
        referenceFingerprint, sha256Hex(std::as_bytes(text.span())), text.rows(), text.cols(), maskSeed);
    if (precision != Precision::F32) protocol += fmt::format("precision {}\n", precisionName(precision));
    return folder / (weightsFingerprint.substr(0, kKeyDigits) + "-" +
                     sha256Hex(protocol).substr(0, kKeyDigits) + ".h5");
}

Result<Evaluation> newestEvaluation(const fs::path& folder, const std::string& weightsFingerprint,
                                    const std::string& referenceFingerprint) {
    std::vector<std::pair<fs::file_time_type, fs::path>> files;
    std::error_code ec;
    const std::string prefix = weightsFingerprint.substr(0, kKeyDigits) + "-";
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        const fs::path& path = it->path();
        std::error_code unreadable;
        const auto time = fs::last_write_time(path, unreadable);
        if (!unreadable && path.extension() == ".h5" && path.filename().string().starts_with(prefix))
            files.emplace_back(time, path);
    }
    std::sort(files.rbegin(), files.rend());
    for (const auto& [time, path] : files) {
        auto e = loadEvaluation(path);
        if (e && e->weightsFingerprint == weightsFingerprint &&
            e->referenceFingerprint == referenceFingerprint)
            return e;
    }
    return Error::notFound("these weights were not evaluated yet", folder.string());
}

} // namespace qs
