// SPDX-License-Identifier: Apache-2.0
#include "core/run/run_journal.h"

#include "core/base/temporary.h"
#include "core/run/run_findings.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace qs {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 1;
constexpr size_t kMaxJson = size_t(256) << 20;

json manifestToJson(const RunManifest& m, int unitsTotal) {
    json out = {{"version", kVersion},
                {"model", m.modelPath.string()},
                {"model_fingerprint", m.modelFingerprint},
                {"calibration", m.calibrationFile},
                {"calibration_fingerprint", m.calibrationFingerprint},
                {"plan", json::parse(m.planText)},
                {"plan_fingerprint", m.planFingerprint},
                {"app_version", m.appVersion},
                {"created_utc", m.createdUtc},
                {"backend", m.backend},
                {"units", unitsTotal}};
    if (m.precision != Precision::F32) out["precision"] = precisionName(m.precision);
    if (!m.importanceFile.empty()) {
        out["importance"] = m.importanceFile;
        out["importance_fingerprint"] = m.importanceFingerprint;
    }
    return out;
}

Result<RunManifest> manifestFromJson(const json& j, const std::string& where) {
    try {
        if (j.at("version") != kVersion)
            return Error::unsupported(fmt::format("'version' must be {}", kVersion), where);
        RunManifest m;
        m.modelPath = j.at("model").get<std::string>();
        m.modelFingerprint = j.at("model_fingerprint").get<std::string>();
        m.calibrationFile = j.at("calibration").get<std::string>();
        m.calibrationFingerprint = j.at("calibration_fingerprint").get<std::string>();
        m.importanceFile = j.value("importance", std::string());
        m.importanceFingerprint = j.value("importance_fingerprint", std::string());
        m.planText = j.at("plan").dump();
        m.planFingerprint = j.at("plan_fingerprint").get<std::string>();
        m.appVersion = j.at("app_version").get<std::string>();
        m.createdUtc = j.at("created_utc").get<std::string>();
        m.backend = j.at("backend").get<std::string>();
        const std::string precision = j.value("precision", std::string(precisionName(Precision::F32)));
        QS_TRY(m.precision, precisionFromName(precision));
        return m;
    } catch (const json::exception& e) {
        return Error::corrupt(e.what(), where);
    }
}

json resultToJson(const TensorResult& r) {
    return {{"module", r.module},
            {"planned", r.planned},
            {"done", r.done},
            {"method", r.method},
            {"bytes", r.bytes},
            {"weight_error", r.error.weight},
            {"output_error", r.error.output},
            {"max_abs", r.error.maxAbs},
            {"seconds", r.seconds}};
}

TensorResult resultFromJson(const json& j) {
    TensorResult r;
    r.module = j.at("module").get<std::string>();
    r.planned = j.at("planned").get<std::string>();
    r.done = j.at("done").get<std::string>();
    r.method = j.at("method").get<std::string>();
    r.bytes = j.at("bytes").get<uint64_t>();
    r.error.weight = j.at("weight_error").get<double>();
    r.error.output = j.at("output_error").get<double>();
    r.error.maxAbs = j.at("max_abs").get<double>();
    r.seconds = j.at("seconds").get<double>();
    return r;
}

Result<json> readJson(const fs::path& file) {
    QS_TRY(std::string text, readTextFile(file, kMaxJson));
    json parsed = json::parse(text, nullptr, false);
    if (parsed.is_discarded()) return Error::corrupt("not valid JSON", file.string());
    return parsed;
}

std::string unitName(int unit) {
    return fmt::format("units/{:04}.h5", unit);
}
std::string foldedName(int unit) {
    return fmt::format("units/{:04}.fold.h5", unit);
}

bool fileIntact(const fs::path& directory, const std::string& file, const std::string& sha256) {
    if (file.empty()) return true;
    const auto hash = sha256OfFile(directory / file);
    return hash && *hash == sha256;
}

/// What a killed run left of the files it was writing. Only the holder of the run's lock writes them.
void sweepRunFolder(const fs::path& directory) {
    sweepTemporaries(directory / "run.json");
    sweepTemporaries(directory / "journal.json");
    sweepTemporaries(directory / "units", [](const std::string& name) { return name.ends_with(".h5"); });
}

} // namespace

nlohmann::json RunManifest::plan() const {
    return json::parse(planText, nullptr, false);
}

Result<RunLock> RunLock::acquire(const fs::path& directory) {
    const fs::path file = directory / "lock";
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return Error::io(fmt::format("cannot create: {}", std::strerror(errno)), file.string());
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return Error{ErrorCode::Io, "another process is working on this run", directory.string()};
    }
    return RunLock(fd);
}

RunLock::~RunLock() {
    if (fd_ >= 0) ::close(fd_);
}

Result<RunJournal> RunJournal::createOrResume(const fs::path& directory, const RunManifest& manifest,
                                              int unitsTotal) {
    RunJournal journal;
    journal.directory_ = directory;
    journal.unitsTotal_ = unitsTotal;
    std::error_code ec;
    fs::create_directories(directory / "units", ec);
    if (ec) return Error::io("cannot create the run folder: " + ec.message(), directory.string());
    sweepRunFolder(directory);
    const fs::path manifestFile = directory / "run.json";
    if (!fs::exists(manifestFile)) {
        // Left-overs of a journal without its manifest belong to nothing.
        fs::remove(directory / "journal.json", ec);
        fs::remove(findingsFile(directory), ec);
        QS_CHECK(writeFileAtomically(manifestFile, manifestToJson(manifest, unitsTotal).dump(2) + "\n"));
        return journal;
    }
    QS_TRY(json stored, readJson(manifestFile));
    QS_TRY(RunManifest before, manifestFromJson(stored, manifestFile.string()));
    const auto differs = [&](const char* what, const std::string& there, const std::string& asked) {
        return Error::invalid(fmt::format("the folder holds a run with another {} ({:.12} there, {:.12} "
                                          "asked). Choose another folder, or remove it.",
                                          what, there.empty() ? "none" : there,
                                          asked.empty() ? "none" : asked),
                              directory.string());
    };
    if (before.modelFingerprint != manifest.modelFingerprint)
        return differs("model", before.modelFingerprint, manifest.modelFingerprint);
    if (before.planFingerprint != manifest.planFingerprint)
        return differs("plan", before.planFingerprint, manifest.planFingerprint);
    if (before.importanceFingerprint != manifest.importanceFingerprint)
        return differs("importance matrix", before.importanceFingerprint, manifest.importanceFingerprint);
    if (before.calibrationFingerprint != manifest.calibrationFingerprint)
        return differs("calibration", before.calibrationFingerprint, manifest.calibrationFingerprint);
    if (before.precision != manifest.precision)
        return differs("precision", precisionName(before.precision), precisionName(manifest.precision));
    if (!fs::exists(directory / "journal.json")) return journal;
    int storedTotal = 0;
    QS_TRY(std::vector<Unit> units, load(directory, storedTotal));
    for (Unit& u : units) {
        if (!fileIntact(directory, u.file, u.sha256) || !fileIntact(directory, u.folded, u.foldedSha256))
            break;
        journal.units_.push_back(std::move(u));
    }
    return journal;
}

Result<std::vector<RunJournal::Unit>> RunJournal::load(const fs::path& directory, int& unitsTotal) {
    const fs::path file = directory / "journal.json";
    QS_TRY(json j, readJson(file));
    try {
        std::vector<Unit> units;
        unitsTotal = j.at("units_total").get<int>();
        for (const json& u : j.at("units")) {
            Unit unit;
            unit.file = u.at("file").get<std::string>();
            unit.sha256 = u.at("sha256").get<std::string>();
            if (!unit.file.empty() && unit.file != unitName(int(units.size())))
                return Error::corrupt(fmt::format("unit {} names the file '{}', expected '{}'", units.size(),
                                                  unit.file, unitName(int(units.size()))),
                                      file.string());
            for (const json& r : u.at("tensors"))
                unit.results.push_back(resultFromJson(r));
            if (u.contains("folded")) {
                unit.folded = u.at("folded").get<std::string>();
                unit.foldedSha256 = u.at("folded_sha256").get<std::string>();
                unit.changed = u.at("changed").get<std::vector<std::string>>();
                if (unit.folded != foldedName(int(units.size())))
                    return Error::corrupt(fmt::format("unit {} names the file '{}', expected '{}'",
                                                      units.size(), unit.folded,
                                                      foldedName(int(units.size()))),
                                          file.string());
            }
            units.push_back(std::move(unit));
        }
        return units;
    } catch (const json::exception& e) {
        return Error::corrupt(e.what(), file.string());
    }
}

Result<void> RunJournal::save() const {
    json j = {{"version", kVersion},
              {"units_total", unitsTotal_},
              {"complete", unitsDone() == unitsTotal_},
              {"units", json::array()}};
    for (const Unit& u : units_) {
        json tensors = json::array();
        for (const TensorResult& r : u.results)
            tensors.push_back(resultToJson(r));
        json unit = {{"file", u.file}, {"sha256", u.sha256}, {"tensors", tensors}};
        if (!u.folded.empty())
            unit.update({{"folded", u.folded}, {"folded_sha256", u.foldedSha256}, {"changed", u.changed}});
        j["units"].push_back(std::move(unit));
    }
    return writeFileAtomically(directory_ / "journal.json", j.dump(1) + "\n");
}

std::vector<TensorResult> RunJournal::results(int unit) const {
    return units_.at(size_t(unit)).results;
}
fs::path RunJournal::unitFile(int unit) const {
    return directory_ / unitName(unit);
}

fs::path RunJournal::foldedFile(int unit) const {
    return directory_ / foldedName(unit);
}
const std::vector<std::string>& RunJournal::changedTensors(int unit) const {
    return units_.at(size_t(unit)).changed;
}

Result<void> RunJournal::finishUnit(bool hasFile, const std::vector<TensorResult>& results, bool hasFolded,
                                    std::vector<std::string> changed) {
    Unit u;
    u.results = results;
    u.changed = std::move(changed);
    if (hasFolded) {
        u.folded = foldedName(unitsDone());
        QS_TRY(u.foldedSha256, sha256OfFile(directory_ / u.folded));
    }
    if (hasFile) {
        u.file = unitName(unitsDone());
        QS_TRY(u.sha256, sha256OfFile(directory_ / u.file));
    }
    units_.push_back(std::move(u));
    return save();
}

Result<RunJournal> RunJournal::read(const fs::path& directory) {
    RunJournal journal;
    journal.directory_ = directory;
    QS_TRY(journal.units_, load(directory, journal.unitsTotal_));
    return journal;
}

bool RunJournal::isIntact(int unit) const {
    const Unit& u = units_.at(size_t(unit));
    return fileIntact(directory_, u.file, u.sha256) && fileIntact(directory_, u.folded, u.foldedSha256);
}

Result<void> RunJournal::takeUnit(const RunJournal& from, int unit) {
    const Unit& there = from.units_.at(size_t(unit));
    const auto take = [&](const std::string& name, const std::string& as) -> Result<void> {
        return commitByRename(directory_ / as, [&](const fs::path& temporary) -> Result<void> {
            std::error_code ec;
            fs::create_hard_link(from.directory_ / name, temporary, ec);
            if (!ec) return {};
            fs::copy_file(from.directory_ / name, temporary, ec);
            if (ec) return Error::io("cannot copy: " + ec.message(), (from.directory_ / name).string());
            return {};
        });
    };
    Unit u = there;
    if (!u.folded.empty()) {
        u.folded = foldedName(unitsDone());
        QS_CHECK(take(there.folded, u.folded));
    }
    if (!u.file.empty()) {
        u.file = unitName(unitsDone());
        QS_CHECK(take(there.file, u.file));
    }
    units_.push_back(std::move(u));
    return save();
}

Result<std::shared_ptr<const Run>> RunJournal::openRun(const fs::path& directory) {
    auto run = std::make_shared<Run>();
    run->directory_ = directory;
    QS_TRY(json stored, readJson(directory / "run.json"));
    QS_TRY(run->manifest_, manifestFromJson(stored, (directory / "run.json").string()));
    if (!stored.contains("units") || !stored.at("units").is_number_integer())
        return Error::corrupt("'units' must be an integer", (directory / "run.json").string());
    run->unitsTotal_ = stored.at("units").get<int>();
    if (fs::exists(directory / "journal.json")) {
        int total = 0;
        QS_TRY(std::vector<Unit> units, load(directory, total));
        for (const Unit& u : units) {
            for (const TensorResult& r : u.results) {
                run->results_.push_back(r);
                run->unitOfModule_.emplace_back(r.module, u.file);
                if (!u.folded.empty()) run->foldedOfModule_[r.module] = u.folded;
            }
            for (const std::string& tensor : u.changed)
                run->changed_[tensor] = u.folded;
        }
        run->unitsDone_ = int(units.size());
    }
    run->complete_ = run->unitsDone_ == run->unitsTotal_;
    return run;
}

} // namespace qs
