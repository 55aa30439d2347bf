// SPDX-License-Identifier: Apache-2.0
// The calibration file, HDF5 (see hdf5/h5_file.h for what every such file has in common):
//   attributes of /   schema = "quantoscope-calibration", schema_version = 2, model_fingerprint,
//                     tokenizer_fingerprint ("" without one), fingerprint, source, seed (int64, the bits of
//                     the uint64), created_utc, app_version, site_count; activations when it was made from a
//                     dump (activation_dump.h); precision when it is not "f32"
//   /tokens           int32 [windows, length]; [0, 0] with a dump
//   /sites/<site>/    one group per site ('/' and '%' of the name as %2F, %25); attributes site, index (order
//                     of the sites), channels, tokens, samples, exact_percentiles (0 or 1)
//     stats           float32 [9, channels], rows as its attribute "rows" says: min, max, absmax, mean,
//     stddev,
//                     kurtosis, p50, p99, p999
//     sigma           float64 [channels (channels + 1) / 2], sum over tokens of x x^T: the upper triangle,
//     row
//                     by row. In version 1 the whole matrix, [channels, channels]
//     sample          float32 [n, channels], n <= 64
#include "core/calibrate/calibration.h"

#include "core/base/npy.h"
#include "core/hdf5/h5_file.h"
#include "core/linalg/differences.h"
#include "core/linalg/parallel.h"
#include "core/linalg/second_moment.h"

#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <set>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSchema = "quantoscope-calibration";
constexpr int64_t kSchemaVersion = 2;
/// What fingerprints are made with: the content that they name has not changed since.
constexpr int kFingerprintVersion = 1;
constexpr size_t kMaxChannels = size_t(1) << 20;
constexpr size_t kMaxSites = size_t(1) << 16;
constexpr size_t kMaxSampleRows = 64;
constexpr uint64_t kMaxTokens = uint64_t(1) << 31;
constexpr const char* kStatRows = "min,max,absmax,mean,stddev,kurtosis,p50,p99,p999";
constexpr size_t kStats = 9;

/// The vectors in the order of the rows of /sites/<site>/stats.
template<class Stats>
auto statVectors(Stats& s) {
    return std::array{&s.min, &s.max, &s.absmax, &s.mean, &s.stddev, &s.kurtosis, &s.p50, &s.p99, &s.p999};
}

std::string groupOf(const std::string& site) {
    return "/sites/" + h5EscapeName(site);
}

/// Index of the first value that is not finite, or the count.
template<class T>
size_t firstNotFinite(std::span<const T> values) {
    constexpr size_t kPart = size_t(1) << 18;
    std::atomic<bool> all = true;
    linalg::parallelFor((values.size() + kPart - 1) / kPart, 1, [&](size_t begin, size_t end) {
        const auto part = values.subspan(begin * kPart, std::min(values.size(), end * kPart) - begin * kPart);
        if (countNotFinite(part.data(), part.size()) > 0) all = false;
    });
    if (all) return values.size();
    return size_t(std::find_if(values.begin(), values.end(), [](T v) { return !std::isfinite(v); }) -
                  values.begin());
}

template<class T>
Result<void> checkFinite(const MatrixT<T>& m, const std::string& what) {
    const size_t i = firstNotFinite<T>(m.span());
    if (i == m.size()) return {};
    return Error::corrupt(fmt::format("{}[{}, {}] is {}, expected a finite number", what, i / m.cols(),
                                      i % m.cols(), m.data()[i]));
}

/// Sigma is a sum of x x^T: finite, and no square on the diagonal is negative.
Result<void> checkSigma(const MatrixD& sigma) {
    QS_CHECK(checkFinite(sigma, "sigma"));
    for (size_t i = 0; i < sigma.rows(); ++i)
        if (sigma(i, i) < 0)
            return Error::corrupt(fmt::format("sigma[{0}, {0}] is {1}, expected 0 or more", i, sigma(i, i)));
    return {};
}

Result<void> checkRecord(const SiteRecord& r, const MatrixD& sigma) {
    if (r.site.empty()) return Error::invalid("a site needs a name");
    if (r.channels < 1 || r.channels > kMaxChannels)
        return Error::invalid(fmt::format("channels must be in 1 .. {}, not {}", kMaxChannels, r.channels));
    for (const auto* v : statVectors(r.stats)) {
        if (v->size() != r.channels)
            return Error::invalid(
                fmt::format("a statistic has {} values for {} channels", v->size(), r.channels));
        if (firstNotFinite<float>(*v) != v->size()) return Error::invalid("a statistic is not finite");
    }
    if (r.sample.rows() > kMaxSampleRows || (r.sample.rows() > 0 && r.sample.cols() != r.channels))
        return Error::invalid(fmt::format("the sample is [{}, {}], expected [0 .. {}, {}]", r.sample.rows(),
                                          r.sample.cols(), kMaxSampleRows, r.channels));
    if (sigma.rows() != r.channels || sigma.cols() != r.channels)
        return Error::invalid(fmt::format("sigma is [{}, {}], expected [{}, {}]", sigma.rows(), sigma.cols(),
                                          r.channels, r.channels));
    QS_CHECK(checkFinite(r.sample, "sample"));
    return checkSigma(sigma);
}

std::vector<double> upperTriangle(const MatrixD& m) {
    std::vector<double> out;
    out.reserve(m.rows() * (m.rows() + 1) / 2);
    for (size_t r = 0; r < m.rows(); ++r)
        out.insert(out.end(), m.row(r) + r, m.row(r) + m.cols());
    return out;
}

MatrixD fromUpperTriangle(std::span<const double> triangle, size_t n) {
    MatrixD m(n, n);
    const double* row = triangle.data();
    for (size_t r = 0; r < n; ++r) {
        std::copy_n(row, n - r, m.row(r) + r);
        row += n - r;
    }
    linalg::mirrorUpper(m.view());
    return m;
}

class Writer final : public CalibrationWriter {
public:
    explicit Writer(std::unique_ptr<H5Writer> file) : file_(std::move(file)) {}

    Result<void> start(const CalibrationInfo& info, const TokenWindows& tokens) {
        const std::pair<const char*, const std::string*> texts[] = {
            {"model_fingerprint", &info.modelFingerprint},
            {"tokenizer_fingerprint", &info.tokenizerFingerprint},
            {"fingerprint", &info.fingerprint},
            {"source", &info.source},
            {"created_utc", &info.createdUtc},
            {"app_version", &info.appVersion}};
        QS_CHECK(file_->attribute("/", "schema", kSchema));
        QS_CHECK(file_->attribute("/", "schema_version", kSchemaVersion));
        for (const auto& [name, value] : texts)
            QS_CHECK(file_->attribute("/", name, *value));
        if (!info.activations.empty()) QS_CHECK(file_->attribute("/", "activations", info.activations));
        if (info.precision != Precision::F32)
            QS_CHECK(file_->attribute("/", "precision", std::string(precisionName(info.precision))));
        QS_CHECK(file_->attribute("/", "seed", int64_t(info.seed)));
        QS_CHECK(file_->group("/sites"));
        return file_->matrix("/tokens", tokens, H5Filter::Compress);
    }

    Result<void> addSite(const SiteRecord& r, const MatrixD& sigma) override {
        if (auto rules = checkRecord(r, sigma); !rules)
            return Error::invalid(rules.error().message, "site " + r.site);
        if (!names_.insert(r.site).second)
            return Error::invalid("the site was added before", "site " + r.site);
        const std::string group = groupOf(r.site);
        QS_CHECK(file_->group(group));
        QS_CHECK(file_->attribute(group, "site", r.site));
        const std::pair<const char*, uint64_t> numbers[] = {{"index", names_.size() - 1},
                                                            {"channels", r.channels},
                                                            {"tokens", r.tokens},
                                                            {"samples", r.stats.samples},
                                                            {"exact_percentiles", r.stats.exactPercentiles}};
        for (const auto& [name, value] : numbers)
            QS_CHECK(file_->attribute(group, name, int64_t(value)));
        Matrix stats(kStats, r.channels);
        float* row = stats.data();
        for (const auto* v : statVectors(r.stats))
            row = std::copy(v->begin(), v->end(), row);
        QS_CHECK(file_->matrix(group + "/stats", stats, H5Filter::Compress));
        QS_CHECK(file_->attribute(group + "/stats", "rows", kStatRows));
        QS_CHECK(file_->array<float>(group + "/sample", r.sample.span(), {r.sample.rows(), r.channels},
                                     H5Filter::Compress));
        // Mantissas of sums are noise: compressing them costs time and saves a few percent.
        const std::vector<double> triangle = upperTriangle(sigma);
        return file_->array<double>(group + "/sigma", triangle, {triangle.size()}, H5Filter::Checksum);
    }

    Result<void> commit() override {
        QS_CHECK(file_->attribute("/", "site_count", int64_t(names_.size())));
        return file_->commit();
    }

private:
    std::unique_ptr<H5Writer> file_;
    std::set<std::string> names_;
};

Result<void> checkSchema(const H5Reader& file) {
    const std::string where = file.path().string();
    QS_TRY(const std::string schema, file.stringAttribute("/", "schema"));
    if (schema != kSchema)
        return Error::corrupt(fmt::format("schema is '{}', expected '{}'", schema, kSchema), where);
    QS_TRY(const int64_t version, file.intAttribute("/", "schema_version", 1, 1 << 20));
    if (version > kSchemaVersion)
        return Error::unsupported(
            fmt::format("schema version {}, this program reads 1 to {}", version, kSchemaVersion), where);
    return {};
}

Result<CalibrationInfo> readInfo(const H5Reader& file) {
    CalibrationInfo info;
    QS_TRY(info.modelFingerprint, file.stringAttribute("/", "model_fingerprint"));
    QS_TRY(info.tokenizerFingerprint, file.stringAttribute("/", "tokenizer_fingerprint"));
    QS_TRY(info.fingerprint, file.stringAttribute("/", "fingerprint"));
    QS_TRY(info.source, file.stringAttribute("/", "source"));
    QS_TRY(info.createdUtc, file.stringAttribute("/", "created_utc"));
    QS_TRY(info.appVersion, file.stringAttribute("/", "app_version"));
    if (file.hasAttribute("/", "activations")) {
        QS_TRY(info.activations, file.stringAttribute("/", "activations"));
    }
    if (file.hasAttribute("/", "precision")) {
        QS_TRY(const std::string name, file.stringAttribute("/", "precision"));
        auto precision = precisionFromName(name);
        if (!precision) return Error::corrupt(precision.error().message, file.path().string());
        info.precision = *precision;
    }
    using Limits = std::numeric_limits<int64_t>;
    QS_TRY(const int64_t seed, file.intAttribute("/", "seed", Limits::min(), Limits::max()));
    info.seed = uint64_t(seed);
    return info;
}

Result<TokenWindows> readTokens(const H5Reader& file, bool fromDump) {
    QS_TRY(const H5Shape shape, file.shape("/tokens"));
    if (fromDump && shape != H5Shape{0, 0})
        return Error::corrupt("a calibration made from activations has no tokens",
                              file.path().string() + ": /tokens");
    if (fromDump) return TokenWindows();
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > kMaxTokens / shape[1])
        return Error::corrupt(fmt::format("tokens must be [windows, length] with 1 .. {} values", kMaxTokens),
                              file.path().string() + ": /tokens");
    return file.matrix<int32_t>("/tokens", shape[0], shape[1]);
}

Result<void> readSiteArrays(const H5Reader& file, const std::string& group, SiteRecord& r) {
    const std::string where = file.path().string() + ": " + group;
    QS_TRY(const Matrix stats, file.matrix<float>(group + "/stats", kStats, r.channels));
    if (auto finite = checkFinite(stats, "stats"); !finite) return finite.takeError().at(where);
    const float* row = stats.data();
    for (auto* v : statVectors(r.stats)) {
        v->assign(row, row + r.channels);
        row += r.channels;
    }
    QS_TRY(const H5Shape shape, file.shape(group + "/sample"));
    if (shape.size() != 2 || shape[0] > kMaxSampleRows)
        return Error::corrupt(fmt::format("sample must be [0 .. {}, channels]", kMaxSampleRows), where);
    QS_TRY(r.sample, file.matrix<float>(group + "/sample", shape[0], r.channels));
    if (auto finite = checkFinite(r.sample, "sample"); !finite) return finite.takeError().at(where);
    // Read on demand; that it is there and has its shape is known from the start.
    QS_TRY(const H5Type type, file.type(group + "/sigma"));
    QS_TRY(const H5Shape sigma, file.shape(group + "/sigma"));
    const uint64_t n = r.channels;
    if (type != H5Type::F64 || (sigma != H5Shape{n * (n + 1) / 2} && sigma != H5Shape{n, n}))
        return Error::corrupt(
            fmt::format("sigma must be float64 [{}], or [{}, {}] in older files", n * (n + 1) / 2, n, n),
            where);
    return {};
}

Result<SiteRecord> readSite(const H5Reader& file, const std::string& group, size_t& index, size_t count) {
    SiteRecord r;
    constexpr int64_t kMany = std::numeric_limits<int64_t>::max();
    QS_TRY(r.site, file.stringAttribute(group, "site"));
    if (groupOf(r.site) != group)
        return Error::corrupt(fmt::format("the group holds site '{}'", r.site),
                              file.path().string() + ": " + group);
    QS_TRY(index, file.intAttribute(group, "index", 0, int64_t(count) - 1));
    QS_TRY(r.channels, file.intAttribute(group, "channels", 1, int64_t(kMaxChannels)));
    QS_TRY(r.tokens, file.intAttribute(group, "tokens", 0, kMany));
    QS_TRY(r.stats.samples, file.intAttribute(group, "samples", 0, kMany));
    QS_TRY(r.stats.exactPercentiles, file.intAttribute(group, "exact_percentiles", 0, 1));
    QS_CHECK(readSiteArrays(file, group, r));
    return r;
}

Result<std::vector<SiteRecord>> readSites(const H5Reader& file) {
    QS_TRY(const int64_t expected, file.intAttribute("/", "site_count", 0, int64_t(kMaxSites)));
    QS_TRY(const auto names, file.children("/sites"));
    const std::string where = file.path().string() + ": /sites";
    if (names.size() != size_t(expected))
        return Error::corrupt(fmt::format("{} sites are present, site_count is {}", names.size(), expected),
                              where);
    std::vector<SiteRecord> sites(names.size());
    for (const std::string& name : names) {
        size_t index = 0;
        QS_TRY(SiteRecord r, readSite(file, "/sites/" + name, index, names.size()));
        if (!sites[index].site.empty())
            return Error::corrupt(
                fmt::format("sites '{}' and '{}' share index {}", sites[index].site, r.site, index), where);
        sites[index] = std::move(r);
    }
    return sites;
}

std::string shown(const std::string& fingerprint) {
    return fingerprint.empty() ? "none" : fingerprint.substr(0, 16);
}

} // namespace

Result<TokenWindows> cutWindows(const std::vector<int>& stream, size_t length, size_t maxWindows) {
    if (length == 0) return Error::invalid("the window length must be 1 or more, not 0");
    size_t windows = stream.size() / length;
    if (windows == 0)
        return Error::invalid(
            fmt::format("the text has {} tokens, one window needs {}", stream.size(), length));
    if (maxWindows > 0) windows = std::min(windows, maxWindows);
    TokenWindows out(windows, length);
    std::copy_n(stream.begin(), out.size(), out.data());
    return out;
}

Result<TokenWindows> windowsFromText(const Tokenizer& tokenizer, const std::string& text, size_t length,
                                     size_t maxWindows) {
    QS_TRY(const std::vector<int> stream, tokenizer.encode(text));
    return cutWindows(stream, length, maxWindows);
}

Result<TokenWindows> windowsFromNpy(const fs::path& file) {
    QS_TRY(const NpyData<int32_t> data, readNpyInt(file));
    const size_t rank = data.shape.size();
    if ((rank != 1 && rank != 2) || data.values.empty())
        return Error::invalid(fmt::format("token ids must be [windows, length] or [length] with at least one "
                                          "value; the array has {} dimensions and {} values",
                                          rank, data.values.size()),
                              file.string());
    TokenWindows out(rank == 2 ? data.shape[0] : 1, data.shape[rank - 1]);
    std::copy(data.values.begin(), data.values.end(), out.data());
    return out;
}

Result<void> checkTokens(const TokenWindows& tokens, size_t vocabulary) {
    for (size_t i = 0; i < tokens.size(); ++i) {
        const int32_t id = tokens.data()[i];
        if (id < 0 || size_t(id) >= vocabulary)
            return Error::invalid(fmt::format("token [{}, {}] is {}, expected 0 <= id < {}",
                                              i / tokens.cols(), i % tokens.cols(), id, vocabulary));
    }
    return {};
}

std::string calibrationFingerprint(const CalibrationInfo& info, const TokenWindows& tokens) {
    if (info.activations.empty())
        return calibrationFingerprint(tokens, info.modelFingerprint, info.tokenizerFingerprint,
                                      info.precision);
    return sha256Hex(fmt::format("{} {}\nmodel {}\ntokenizer {}\nactivations {}\n", kSchema,
                                 kFingerprintVersion, info.modelFingerprint, info.tokenizerFingerprint,
                                 info.activations));
}

std::string calibrationFingerprint(const TokenWindows& tokens, const std::string& model,
                                   const std::string& tokenizer, Precision precision) {
    Sha256 hash;
    hash.update(fmt::format("{} {}\nmodel {}\ntokenizer {}\ntokens int32 [{}, {}]\n", kSchema,
                            kFingerprintVersion, model, tokenizer, tokens.rows(), tokens.cols()));
    if (precision != Precision::F32) hash.update(fmt::format("precision {}\n", precisionName(precision)));
    hash.update(std::as_bytes(tokens.span()));
    return hash.hex();
}

Result<std::unique_ptr<CalibrationWriter>>
CalibrationWriter::begin(const fs::path& file, const CalibrationInfo& info, const TokenWindows& tokens) {
    if (tokens.empty() != !info.activations.empty())
        return Error::invalid(tokens.empty() ? "no calibration tokens" : "tokens beside an activation dump",
                              file.string());
    if (tokens.size() > kMaxTokens)
        return Error::invalid(fmt::format("at most {} calibration tokens, not {}", kMaxTokens, tokens.size()),
                              file.string());
    if (info.fingerprint != calibrationFingerprint(info, tokens))
        return Error::invalid("the fingerprint is not that of the tokens, the model and the tokenizer",
                              file.string());
    QS_TRY(auto h5, H5Writer::begin(file));
    auto writer = std::make_unique<Writer>(std::move(h5));
    QS_CHECK(writer->start(info, tokens));
    return std::unique_ptr<CalibrationWriter>(std::move(writer));
}

Result<std::shared_ptr<const Calibration>> Calibration::open(const fs::path& path) {
    QS_TRY(const auto file, H5Reader::open(path));
    QS_CHECK(checkSchema(*file));
    auto c = std::make_shared<Calibration>();
    c->file_ = path;
    QS_TRY(c->info_, readInfo(*file));
    QS_TRY(c->tokens_, readTokens(*file, !c->info_.activations.empty()));
    const std::string real = calibrationFingerprint(c->info_, c->tokens_);
    if (real != c->info_.fingerprint)
        return Error::corrupt(fmt::format("the fingerprint is {}, the content has {}",
                                          shown(c->info_.fingerprint), shown(real)),
                              path.string());
    QS_TRY(c->sites_, readSites(*file));
    return std::shared_ptr<const Calibration>(std::move(c));
}

const SiteRecord* Calibration::find(const std::string& site) const {
    for (const SiteRecord& r : sites_)
        if (r.site == site) return &r;
    return nullptr;
}

Result<MatrixD> Calibration::sigma(const std::string& site) const {
    const SiteRecord* record = find(site);
    if (!record)
        return Error::notFound(fmt::format("the calibration has no site '{}'", site), file_.string());
    QS_TRY(const auto file, H5Reader::open(file_));
    QS_TRY(const std::string fingerprint, file->stringAttribute("/", "fingerprint"));
    if (fingerprint != info_.fingerprint)
        return Error::io(fmt::format("the file was replaced: its fingerprint is {}, {} was opened",
                                     shown(fingerprint), shown(info_.fingerprint)),
                         file_.string());
    const std::string name = groupOf(site) + "/sigma";
    const size_t n = record->channels;
    QS_TRY(const H5Shape shape, file->shape(name));
    MatrixD sigma;
    if (shape.size() == 1) {
        QS_TRY(const std::vector<double> triangle, file->array<double>(name, {n * (n + 1) / 2}));
        sigma = fromUpperTriangle(triangle, n);
    } else {
        QS_TRY(sigma, file->matrix<double>(name, n, n));
    }
    if (auto rules = checkSigma(sigma); !rules) return rules.takeError().at(file_.string() + ": " + name);
    return sigma;
}

Result<void> Calibration::requireFor(const Model& model) const {
    QS_TRY(const std::string modelFingerprint, model.checkpoint().fingerprint());
    if (modelFingerprint != info_.modelFingerprint)
        return Error::invalid(
            fmt::format(
                "the calibration was made from another model: its fingerprint is {}, this model's is {}",
                shown(info_.modelFingerprint), shown(modelFingerprint)),
            file_.string());
    const auto tokenizer = model.tokenizer();
    const std::string tokenizerFingerprint = tokenizer ? tokenizer->fingerprint() : std::string();
    if (tokenizerFingerprint != info_.tokenizerFingerprint)
        return Error::invalid(
            fmt::format(
                "the calibration was made with another tokenizer: its fingerprint is {}, this model's is {}",
                shown(info_.tokenizerFingerprint), shown(tokenizerFingerprint)),
            file_.string());
    return {};
}

} // namespace qs
