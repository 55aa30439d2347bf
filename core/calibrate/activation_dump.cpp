// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/activation_dump.h"
#include "core/backend/sums.h"

#include <algorithm>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

constexpr size_t kBlockValues = size_t(1) << 20;
constexpr size_t kSampleRows = 64;

/// An activation point of the model and the array that was recorded there.
struct Match {
    std::string site;
    size_t channels = 0, array = 0;
};

/// Names under which an array may stand for the inputs of a linear.
std::vector<std::string> namesOf(const QuantTarget& target) {
    std::vector<std::string> names = {target.site, target.module, target.weight};
    constexpr std::string_view kSuffix = ".weight";
    if (target.weight.ends_with(kSuffix))
        names.push_back(target.weight.substr(0, target.weight.size() - kSuffix.size()));
    return names;
}

struct Matches {
    std::vector<Match> list; // in model order
    std::vector<std::string> unused, missingSites;
};

Result<Matches> matchSites(const ActivationDump& dump, const Model& model) {
    Matches m;
    std::set<std::string> found, missing;
    std::vector<bool> used(dump.arrays().size());
    for (const QuantTarget& target : model.targets()) {
        if (target.site.empty() || found.count(target.site)) continue;
        const std::vector<std::string> names = namesOf(target);
        const auto array =
            std::find_if(dump.arrays().begin(), dump.arrays().end(), [&](const ActivationArray& a) {
                return std::find(names.begin(), names.end(), a.name) != names.end();
            });
        if (array == dump.arrays().end()) {
            if (missing.insert(target.site).second) m.missingSites.push_back(target.site);
            continue;
        }
        if (array->channels != target.cols)
            return Error::invalid(fmt::format("activation '{}' has {} channels, but {} takes {} inputs",
                                              array->name, array->channels, target.module, target.cols),
                                  dump.path().string());
        const size_t index = size_t(array - dump.arrays().begin());
        used[index] = true;
        found.insert(target.site);
        m.list.push_back({target.site, target.cols, index});
    }
    std::erase_if(m.missingSites, [&](const std::string& site) { return found.count(site) > 0; });
    for (size_t i = 0; i < used.size(); ++i)
        if (!used[i]) m.unused.push_back(dump.arrays()[i].name);
    if (!m.list.empty()) return m;
    return Error::notFound(
        fmt::format("none of the {} activations, such as '{}', has the name of a site or linear of the "
                    "model, such as '{}'; a mapping file can name them",
                    used.size(), dump.arrays()[0].name,
                    model.targets().empty() ? "" : model.targets()[0].module),
        dump.path().string());
}

void keepFirstRows(Matrix& sample, size_t& kept, ConstMatrixView rows) {
    const size_t take = std::min(sample.rows() - kept, rows.rows);
    for (size_t r = 0; r < take; ++r)
        std::copy_n(rows.row(r), rows.cols, sample.row(kept + r));
    kept += take;
}

SiteRecord recordOf(const ActivationArray& array, const ChannelAccumulator& stats, Matrix sample) {
    SiteRecord r;
    r.site = array.name;
    r.channels = array.channels;
    r.tokens = array.tokens;
    r.stats = stats.result();
    r.sample = std::move(sample);
    return r;
}

Result<void> addSite(const ActivationDump& dump, const Match& match, CalibrationWriter& writer,
                     Backend& backend, const JobContext& job) {
    const ActivationArray& array = dump.arrays()[match.array];
    QS_TRY(const auto moment, backend.secondMoment(match.channels));
    ChannelAccumulator stats(match.channels);
    Matrix sample(size_t(std::min<uint64_t>(kSampleRows, array.tokens)), match.channels);
    size_t kept = 0;
    QS_CHECK(dump.forEachBlock(
        match.array,
        [&](MatrixView rows) -> Result<void> {
            stats.add(rows);
            keepFirstRows(sample, kept, rows);
            QS_TRY(Tensor x, backend.allocate(rows.rows, rows.cols));
            QS_CHECK(backend.upload(rows, x));
            return moment->add(x);
        },
        job));
    if (stats.notFinite() > 0)
        return Error::corrupt(fmt::format("{} of {} values are NaN or infinite", stats.notFinite(),
                                          array.tokens * array.channels),
                              dump.path().string() + ": activation " + array.name);
    QS_TRY(const MatrixD sigma, moment->take());
    SiteRecord record = recordOf(array, stats, std::move(sample));
    record.site = match.site;
    return writer.addSite(record, sigma);
}

Result<CalibrationInfo> infoOf(const ActivationDump& dump, const Matches& matches, const Model& model,
                               const CalibrateOptions& options) {
    CalibrationInfo info;
    QS_TRY(const std::string file, dump.fingerprint());
    std::string content = file + "\n";
    for (const Match& m : matches.list)
        content += fmt::format("{} {} {}\n", m.site.size(), m.site, dump.arrays()[m.array].name);
    info.activations = sha256Hex(content);
    QS_TRY(info.modelFingerprint, model.checkpoint().fingerprint());
    if (model.tokenizer()) info.tokenizerFingerprint = model.tokenizer()->fingerprint();
    info.source = dump.path().filename().string();
    info.seed = options.seed;
    info.createdUtc = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
    info.appVersion = QS_VERSION;
    info.fingerprint = calibrationFingerprint(info, {});
    return info;
}

} // namespace

Result<std::shared_ptr<const ActivationDump>> ActivationDump::open(std::shared_ptr<const MappedHdf5> file) {
    auto dump = std::make_shared<ActivationDump>();
    for (const H5MappedArray& a : file->arrays()) {
        if (a.role != H5Role::Activation) continue;
        if (a.shape[0] == 0 || a.shape[1] == 0)
            return Error::corrupt(fmt::format("an activation is [{}, {}]", a.shape[0], a.shape[1]),
                                  file->path().string() + ": " + file->node(a).path);
        dump->arrays_.push_back({a.name, a.shape[0], size_t(a.shape[1])});
        dump->mapped_.push_back(&a);
    }
    if (dump->arrays_.empty())
        return Error::notFound(
            "no array of the file is known to be an activation; a mapping file gives them that role",
            file->path().string());
    dump->file_ = std::move(file);
    return std::shared_ptr<const ActivationDump>(std::move(dump));
}

Result<void> ActivationDump::forEachBlock(size_t index, const std::function<Result<void>(MatrixView)>& visit,
                                          const JobContext& job) const {
    const ActivationArray& array = arrays_[index];
    const size_t most = size_t(std::clamp<uint64_t>(kBlockValues / array.channels, 1, array.tokens));
    try {
        Matrix block(most, array.channels);
        for (uint64_t row = 0; row < array.tokens; row += most) {
            QS_CHECK(job.checkpoint());
            job.report("Reading " + array.name, double(row), double(array.tokens));
            const size_t rows = size_t(std::min<uint64_t>(most, array.tokens - row));
            const MatrixView view = block.view().block(0, rows, 0, array.channels);
            QS_CHECK(file_->readRows(*mapped_[index], row, view));
            QS_CHECK(visit(view));
        }
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("no memory for {} channels", array.channels),
                     path().string() + ": activation " + array.name};
    }
    return {};
}

Result<ActivationStats> ActivationDump::measure(size_t index, const JobContext& job) const {
    const ActivationArray& array = arrays_[index];
    ChannelAccumulator stats(array.channels);
    Matrix sample(size_t(std::min<uint64_t>(kSampleRows, array.tokens)), array.channels);
    size_t kept = 0;
    const auto visit = [&](MatrixView rows) -> Result<void> {
        stats.add(rows);
        keepFirstRows(sample, kept, rows);
        return {};
    };
    QS_CHECK(forEachBlock(index, visit, job));
    return ActivationStats{recordOf(array, stats, std::move(sample)), stats.notFinite()};
}

Result<std::string> ActivationDump::fingerprint() const {
    return sha256OfFile(path());
}

Result<DumpCalibration> calibrateFromActivations(const ActivationDump& dump, const Model& model,
                                                 const CalibrateOptions& options,
                                                 const std::filesystem::path& file, Backend& backend,
                                                 const JobContext& job) {
    QS_CHECK(model.requireForward());
    QS_TRY(Matches matches, matchSites(dump, model));
    QS_TRY(const CalibrationInfo info, infoOf(dump, matches, model, options));
    QS_TRY(auto writer, CalibrationWriter::begin(file, info, {}));
    const double count = double(matches.list.size());
    for (size_t i = 0; i < matches.list.size(); ++i)
        QS_CHECK(addSite(dump, matches.list[i], *writer, backend,
                         job.part(double(i) / count, double(i + 1) / count)));
    QS_CHECK(job.checkpoint());
    QS_CHECK(writer->commit());
    QS_TRY(auto calibration, Calibration::open(file));
    return DumpCalibration{std::move(calibration), std::move(matches.unused),
                           std::move(matches.missingSites)};
}

Result<Hdf5Kind> hdf5Kind(const std::filesystem::path& path) {
    {
        QS_TRY(const auto file, H5Import::open(path));
        if (isCalibration(file->listing())) return Hdf5Kind::Calibration;
    }
    QS_TRY(auto file, MappedHdf5::open(path));
    if (hdf5Checkpoint(file)) return Hdf5Kind::Weights;
    QS_TRY(const auto dump, ActivationDump::open(std::move(file)));
    return Hdf5Kind::Activations;
}

} // namespace qs
