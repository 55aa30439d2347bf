// SPDX-License-Identifier: Apache-2.0
// Runs whose errors are weighed by an importance matrix from a file, as users of llama.cpp bring theirs.
#include "core/calibrate/imatrix.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

Scheme schemeFor(const char* method) {
    Scheme s = *Scheme::make("int", method);
    s.codecParams = *Params::fromJson((*findCodec("int"))->params,
                                      {{"bits", 3}, {"group", 32}, {"grid", "symmetric"}}, "t");
    return s;
}

bool sameCodes(const QuantizedTensor& a, const QuantizedTensor& b) {
    return a.codes == b.codes &&
           std::equal(a.scale.span().begin(), a.scale.span().end(), b.scale.span().begin());
}

} // namespace

class RunImportance : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> model_;
    std::unique_ptr<Backend> backend_;
    std::shared_ptr<const Calibration> calibration_;
    fs::path folder_, file_;

    Plan plan(const char* method) const { return resolvePlan(Recipe::uniform(schemeFor(method)), *model_); }
    Result<std::shared_ptr<const Run>> run(const Plan& plan, const char* name, const fs::path& imatrix,
                                           const Calibration* calibration = nullptr) {
        RunOptions options;
        options.directory = folder_ / name;
        if (!imatrix.empty()) {
            QS_TRY(options.importance, ImportanceFile::open(imatrix, *model_));
        }
        return executePlan(*model_, plan, calibration, options, *backend_, {});
    }
    static std::string errorOf(const Result<std::shared_ptr<const Run>>& r) {
        return r ? "accepted" : r.error().describe();
    }

private slots:
    void initTestCase() {
        backend_ = makeCpuBackend();
        auto model = openModel(sampleModel());
        QS_VERIFY_OK(model);
        model_ = *model;
        folder_ = scratchDir("run-importance");
        TokenWindows tokens(2, 48);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens.data()[i] = int32_t(3 + (i * 37) % 200);
        const auto c = calibrate(*model_, tokens, {}, folder_ / "c.h5", *backend_, {});
        QS_VERIFY_OK(c);
        calibration_ = *c;
        const auto m = imatrixOf(*calibration_, *model_, {});
        QS_VERIFY_OK(m);
        file_ = folder_ / "imatrix.gguf";
        QS_VERIFY_OK(writeImatrix(file_, *m));
    }

    void errorsAreWeighedByTheFile() {
        const auto done = run(plan("imatrix"), "file", file_);
        QS_VERIFY_OK(done);
        QVERIFY((*done)->complete());
        const auto read = ImportanceFile::open(file_, *model_);
        QS_VERIFY_OK(read);
        const auto codec = createCodec("int", schemeFor("imatrix").codecParams);
        size_t differsFromPlain = 0;
        for (const QuantTarget& t : model_->targets()) {
            const auto weight = model_->readTarget(t);
            QS_VERIFY_OK(weight);
            // By hand: the diagonal of Sigma that the calibration holds, as float32.
            const auto sigma = calibration_->sigma(t.site);
            QS_VERIFY_OK(sigma);
            std::vector<double> squares(t.cols);
            for (size_t c = 0; c < t.cols; ++c)
                squares[c] = double(float((*sigma)(c, c)));
            QVERIFY(squares == (*read)->modules.at(t.module).sum2);
            QuantizeInput in;
            in.weight = weight->view();
            in.codec = codec->get();
            in.importance = squares;
            const auto want = (*findMethod("imatrix"))->quantize(in, {});
            QS_VERIFY_OK(want);
            const auto have = (*done)->tensor(t.module);
            QS_VERIFY_OK(have);
            QVERIFY2(sameCodes(*have, *want), t.module.c_str());
            const std::vector<double> flat(t.cols, 1.0);
            in.importance = flat;
            const auto plain = (*findMethod("imatrix"))->quantize(in, {});
            QS_VERIFY_OK(plain);
            differsFromPlain += !sameCodes(*have, *plain);
        }
        QVERIFY(differsFromPlain > model_->targets().size() / 2);
    }

    void theFirstBlockIsAsWithTheCalibration() {
        // Before the first block nothing is quantized: both runs see the same inputs there.
        const auto ofFile = run(plan("imatrix"), "file", file_);
        const auto ofCalibration = run(plan("imatrix"), "calibration", {}, calibration_.get());
        QS_VERIFY_OK(ofFile);
        QS_VERIFY_OK(ofCalibration);
        for (const QuantTarget& t : model_->targets()) {
            if (t.block != 0) continue;
            const auto a = (*ofFile)->tensor(t.module), b = (*ofCalibration)->tensor(t.module);
            QS_VERIFY_OK(a);
            QS_VERIFY_OK(b);
            size_t differ = 0; // sums in float32 and float64 may fall to either side of a tie
            for (size_t i = 0; i < a->codes.size(); ++i)
                differ += a->codes[i] != b->codes[i];
            QVERIFY2(differ * 1000 <= a->codes.size(), t.module.c_str());
        }
    }

    void theFileIsRecorded() {
        const auto done = run(plan("imatrix"), "file", file_);
        QS_VERIFY_OK(done);
        const RunManifest& m = (*done)->manifest();
        QCOMPARE(m.importanceFile, fs::absolute(file_).lexically_normal().string());
        QCOMPARE(m.importanceFingerprint, *sha256OfFile(file_));
        QVERIFY(m.calibrationFile.empty() && m.calibrationFingerprint.empty());
        const auto again = Run::open((*done)->directory());
        QS_VERIFY_OK(again);
        QCOMPARE((*again)->manifest().importanceFingerprint, m.importanceFingerprint);
    }

    void anotherFileIsRefused() {
        QS_VERIFY_OK(run(plan("imatrix"), "file", file_));
        auto m = *readImatrix(file_);
        m.entries.front().sum2.front() += 1;
        const fs::path other = folder_ / "other.gguf";
        QS_VERIFY_OK(writeImatrix(other, m));
        const std::string refused = errorOf(run(plan("imatrix"), "file", other));
        QVERIFY2(refused.find("another importance matrix") != std::string::npos, refused.c_str());
        const std::string calibrated = errorOf(run(plan("imatrix"), "file", {}, calibration_.get()));
        QVERIFY2(calibrated.find("another importance matrix") != std::string::npos, calibrated.c_str());
        // The same content under another name is the same.
        const fs::path copy = folder_ / "copy.gguf";
        fs::copy_file(file_, copy);
        QS_VERIFY_OK(run(plan("imatrix"), "file", copy));
    }

    void whatNeedsMoreIsRefused() {
        const std::string gptq = errorOf(run(plan("gptq"), "gptq", file_));
        QVERIFY2(gptq.find("diagonal") != std::string::npos, gptq.c_str());
        Plan transformed = planFromSchemes({model_->targets().size(), schemeFor("imatrix")}, *model_, 0,
                                           {.transforms = {*TransformUse::make("smoothquant")}});
        const std::string scaled = errorOf(run(transformed, "scaled", file_));
        QVERIFY2(scaled.find("smoothquant") != std::string::npos, scaled.c_str());
        Plan weighted = plan("imatrix");
        weighted.tokenWeights = TokenWeights{0.1};
        const std::string tokens = errorOf(run(weighted, "weighted", file_));
        QVERIFY2(tokens.find("token_weights") != std::string::npos, tokens.c_str());
        const std::string both = errorOf(run(plan("imatrix"), "both", file_, calibration_.get()));
        QVERIFY2(both.find("not both") != std::string::npos, both.c_str());
        const std::string neither = errorOf(run(plan("imatrix"), "neither", {}));
        QVERIFY2(neither.find("needs calibration") != std::string::npos, neither.c_str());
        // A data-free method minds nothing.
        QS_VERIFY_OK(run(plan("rtn"), "rtn", file_));
    }

    void whatTheFileLacksIsRefused() {
        auto m = *readImatrix(file_);
        const std::string missing = m.entries.front().weight;
        m.entries.erase(m.entries.begin());
        const fs::path partial = folder_ / "partial.gguf";
        QS_VERIFY_OK(writeImatrix(partial, m));
        const auto file = ImportanceFile::open(partial, *model_);
        QS_VERIFY_OK(file);
        const auto issues = lintImportance(plan("imatrix"), **file);
        QVERIFY(!issues.empty());
        for (const LintIssue& i : issues) {
            QCOMPARE(i.rule, std::string("no-importance"));
            QVERIFY(i.severity == Severity::Error && model_->findTarget(i.where));
        }
        QVERIFY(errorOf(run(plan("imatrix"), "partial", partial)).find("does not mention") !=
                std::string::npos);
        QVERIFY(!ImportanceFile::open(folder_ / "none.gguf", *model_));
    }
};

QS_TEST(RunImportance)
#include "tst_run_importance.moc"
