// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/sensitivity.h"
#include "core/evaluate/evaluate.h"
#include "core/quant/rounding/gptq_solver.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

Scheme schemeOf(const char* method, int bits) {
    Scheme s = *Scheme::make("int", method);
    s.codecParams = *Params::fromJson((*findCodec("int"))->params, {{"bits", bits}, {"group", 16}}, "test");
    return s;
}

/// A model's weights with one matrix replaced.
class Replaced final : public WeightSource {
public:
    Replaced(std::shared_ptr<const WeightSource> base, std::string name, const Matrix& values)
        : base_(std::move(base)), name_(std::move(name)), values_(values.clone()) {}
    Result<Matrix> matrix(const std::string& name) const override {
        return name == name_ ? Result<Matrix>(values_.clone()) : base_->matrix(name);
    }
    std::string fingerprint() const override { return "replaced"; }
    std::string label() const override { return "replaced"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string name_;
    Matrix values_;
};

} // namespace

class Sensitivity : public QObject {
    Q_OBJECT
    QTemporaryDir folder_;
    std::shared_ptr<const Model> model_;
    std::shared_ptr<const Calibration> calibration_;
    std::unique_ptr<Backend> backend_;
    TokenWindows tokens_;

    SensitivityTable begin(std::vector<Scheme> candidates) const {
        auto table = SensitivityTable::begin(*model_, std::move(candidates), 3);
        if (!table) qFatal("%s", table.error().describe().c_str());
        table->calibrationFingerprint = calibration_->info().fingerprint;
        table->textFingerprint = "text";
        return std::move(*table);
    }
    SensitivityRequest request() const { return {calibration_.get(), &tokens_, true, true}; }

private slots:
    void initTestCase() {
        const fs::path path = folder_.filePath("model").toStdString();
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(path, shape, smallConfig(shape)));
        auto model = openModel(path);
        QS_VERIFY_OK(model);
        model_ = *model;
        backend_ = makeCpuBackend(2);
        tokens_ = TokenWindows(12, 32);
        std::mt19937_64 random(4);
        for (size_t i = 0; i < tokens_.size(); ++i)
            tokens_.data()[i] = int32_t(random() % 50);
        auto calibration =
            calibrate(*model_, tokens_, {}, folder_.filePath("c.h5").toStdString(), *backend_, {});
        QS_VERIFY_OK(calibration);
        calibration_ = *calibration;
    }

    void bytesAreThoseOfPlans() {
        Scheme odd = schemeOf("rtn", 4);
        odd.codecParams = *Params::fromJson((*findCodec("int"))->params, {{"group", 48}}, "test");
        const SensitivityTable table = begin({schemeOf("rtn", 4), odd});
        const Plan plan = resolvePlan(Recipe::uniform(schemeOf("rtn", 4)), *model_);
        QCOMPARE(table.rows.size(), plan.entries.size());
        QCOMPARE(table.checkpointBytes, plan.totalBytesBefore);
        for (size_t r = 0; r < table.rows.size(); ++r) {
            QCOMPARE(table.rows[r].module, plan.entries[r].target.module);
            QCOMPARE(table.rows[r].cells[0].bytes, plan.entries[r].bytesAfter);
            QCOMPARE(table.rows[r].keptBytes, plan.entries[r].bytesBefore);
            QVERIFY(!table.rows[r].cells[1].legal()); // 48 divides neither 32 nor 64
        }
    }
    /// Errors and KL of one cell by other means: the definition, and a run of the whole model.
    void cellsByOtherMeans() {
        SensitivityTable table = begin({schemeOf("gptq", 3), schemeOf("rtn", 2)});
        int calls = 0;
        QS_VERIFY_OK(measureSensitivity(*model_, request(), table, *backend_, {},
                                        [&](const SensitivityTable&, size_t) { ++calls; }));
        QVERIFY(calls > 0);
        const size_t row = 5; // of the first block
        const QuantTarget& target = model_->targets()[row];
        const auto codec = *createCodec("int", table.candidates[0].codecParams);
        const Matrix weight = *model_->readTarget(target);
        const MatrixD sigma = *calibration_->sigma(target.site);
        QuantizeInput in;
        in.weight = weight.view();
        in.codec = codec.get();
        in.sigma = &sigma;
        in.params = table.candidates[0].methodParams;
        in.seed = 3;
        in.backend = backend_.get();
        const Matrix values = codec->dequantize(*(*findMethod("gptq"))->quantize(in, {}));
        double error = 0, norm = 0, output = 0, outputNorm = 0;
        for (size_t r = 0; r < weight.rows(); ++r)
            for (size_t i = 0; i < weight.cols(); ++i) {
                const double e = double(weight(r, i)) - double(values(r, i)), w = double(weight(r, i));
                error += e * e;
                norm += w * w;
                for (size_t j = 0; j < weight.cols(); ++j) {
                    output += e * sigma(i, j) * (double(weight(r, j)) - double(values(r, j)));
                    outputNorm += w * sigma(i, j) * double(weight(r, j));
                }
            }
        const SensitivityCell& cell = table.rows[row].cells[0];
        QVERIFY(std::fabs(cell.weightError / (error / norm) - 1) < 1e-5);
        QVERIFY(std::fabs(cell.outputError / (output / outputNorm) - 1) < 1e-4);
        const auto original = modelWeights(*model_);
        const Replaced changed(original, target.weight, values);
        const auto e = evaluate(model_->spec(), changed, original.get(), tokens_, {}, *backend_, {});
        QS_VERIFY_OK(e);
        QVERIFY2(std::fabs(cell.kl - e->kl) <= 1e-3 * e->kl + 1e-9,
                 qPrintable(QString("%1 against %2").arg(cell.kl).arg(e->kl)));
        for (const SensitivityRow& r : table.rows)
            for (const SensitivityCell& c : r.cells)
                QVERIFY(c.weightError > 0 && c.outputError > 0 && c.kl >= 0);
    }
    /// alpha t^2 is what the candidate's own errors do at another size, as evaluate() sees it.
    void alphaPredictsErrors() {
        SensitivityTable table = begin({schemeOf("rtn", 4)});
        SensitivityRequest only = request();
        only.alone = false;
        QS_VERIFY_OK(measureSensitivity(*model_, only, table, *backend_, {}));
        const auto original = modelWeights(*model_);
        const auto codec = *createCodec("int", table.candidates[0].codecParams);
        for (const size_t row : {size_t(1), size_t(6), size_t(10)}) {
            const QuantTarget& target = model_->targets()[row];
            QVERIFY(table.rows[row].alpha > 0 && table.rows[row].alphaError < 0.25);
            Matrix weight = *model_->readTarget(target);
            QuantizeInput in;
            in.weight = weight.view();
            in.codec = codec.get();
            in.params = table.candidates[0].methodParams;
            const Matrix rounded = codec->dequantize(*(*findMethod("rtn"))->quantize(in, {}));
            double norm = 0, error = 0;
            for (size_t i = 0; i < weight.size(); ++i) {
                norm += std::pow(double(weight.data()[i]), 2);
                error += std::pow(double(weight.data()[i]) - double(rounded.data()[i]), 2);
            }
            constexpr double kSize = 0.1;
            const double factor = kSize * std::sqrt(norm / error);
            for (size_t i = 0; i < weight.size(); ++i)
                weight.data()[i] += float(factor * (double(weight.data()[i]) - double(rounded.data()[i])));
            const Replaced changed(original, target.weight, weight);
            const double kl = evaluate(model_->spec(), changed, original.get(), tokens_, {}, *backend_, {})
                                  ->kl,
                         predicted = table.rows[row].alpha * kSize * kSize;
            QVERIFY2(predicted > 0.7 * kl && predicted < 1.4 * kl,
                     qPrintable(QString("%1: %2 against %3").arg(row).arg(predicted).arg(kl)));
        }
    }
    /// Salience, entropy and pruning by their definitions, and what keeping a linear helps by evaluate().
    void moreMeasuresByOtherMeans() {
        SensitivityTable table = begin({schemeOf("rtn", 2)});
        SensitivityRequest wanted{calibration_.get(), &tokens_};
        wanted.entropy = wanted.salience = wanted.prune = wanted.cca = wanted.keepAlone = true;
        QS_VERIFY_OK(measureSensitivity(*model_, wanted, table, *backend_, {}));
        const size_t row = 5;
        const QuantTarget& target = model_->targets()[row];
        const Matrix weight = *model_->readTarget(target);
        const auto quantized = [&](const QuantTarget& t) {
            const auto codec = *createCodec("int", table.candidates[0].codecParams);
            const Matrix w = *model_->readTarget(t);
            QuantizeInput in;
            in.weight = w.view();
            in.codec = codec.get();
            in.params = table.candidates[0].methodParams;
            return codec->dequantize(*(*findMethod("rtn"))->quantize(in, {}));
        };
        const Matrix values = quantized(target);
        const SensitivityCell& cell = table.rows[row].cells[0];
        QVERIFY(cell.weightError > 0);
        QVERIFY(cell.entropyLoss > 0.2 && cell.entropyLoss < 1); // 2 bits are left of about 7
        // sum_j R_jj^2 sum_i e_ij^2, R of Sigma + 1 % = R R^T upper: the last pivot is its last diagonal.
        const MatrixD sigma = *calibration_->sigma(target.site);
        const auto cost = gptqErrorCosts(sigma, {}, *backend_);
        QS_VERIFY_OK(cost);
        double error = 0, norm = 0;
        for (size_t r = 0; r < weight.rows(); ++r)
            for (size_t c = 0; c < weight.cols(); ++c) {
                error += (*cost)[c] * std::pow(double(weight(r, c)) - double(values(r, c)), 2);
                norm += (*cost)[c] * std::pow(double(weight(r, c)), 2);
            }
        QVERIFY(std::fabs(cell.salienceError / (error / norm) - 1) < 1e-5);

        std::vector<float> sizes;
        for (const float v : weight.span())
            sizes.push_back(std::fabs(v));
        std::ranges::sort(sizes);
        const float limit = sizes[sizes.size() / 2];
        Matrix pruned = weight.clone();
        double lost = 0, all = 0;
        for (float& v : pruned.span()) {
            all += double(v) * double(v);
            if (std::fabs(v) >= limit) continue;
            lost += double(v) * double(v);
            v = 0;
        }
        const auto original = modelWeights(*model_);
        const auto klOf = [&](const WeightSource& weights) {
            return evaluate(model_->spec(), weights, original.get(), tokens_, {}, *backend_, {})->kl;
        };
        const SensitivityRow& r = table.rows[row];
        QVERIFY(std::fabs(r.pruneError / (lost / all) - 1) < 1e-5);
        const double kl = klOf(Replaced(original, target.weight, pruned));
        QVERIFY(std::fabs(r.pruneKl - kl) <= 1e-3 * kl + 1e-9);
        QVERIFY(r.blockCca > 0 && r.blockCca < 1);
        QCOMPARE(r.blockCca, table.rows[row + 1].blockCca); // of one block

        std::shared_ptr<const WeightSource> whole = original, kept = original;
        for (const QuantTarget& t : model_->targets()) {
            if (!table.rows[size_t(&t - model_->targets().data())].cells[0].legal()) continue;
            const Matrix q = quantized(t);
            whole = std::make_shared<Replaced>(whole, t.weight, q);
            if (&t != &target) kept = std::make_shared<Replaced>(kept, t.weight, q);
        }
        const double gain = std::max(0.0, klOf(*whole) - klOf(*kept));
        QVERIFY2(std::fabs(cell.keptGain - gain) <= 1e-3 * gain + 1e-8,
                 qPrintable(QString("%1 against %2").arg(cell.keptGain).arg(gain)));

        const auto back = SensitivityTable::fromJson(table.toJson(), "t");
        QS_VERIFY_OK(back);
        QCOMPARE(back->rows[row].pruneKl, r.pruneKl);
        QCOMPARE(back->rows[row].blockCca, r.blockCca);
        QCOMPARE(back->rows[row].cells[0].keptGain, cell.keptGain);
        QCOMPARE(back->rows[row].cells[0].salienceError, cell.salienceError);
        SensitivityTable again = begin({schemeOf("rtn", 2)});
        again.adopt(table);
        int calls = 0;
        QS_VERIFY_OK(measureSensitivity(*model_, wanted, again, *backend_, {},
                                        [&](const SensitivityTable&, size_t) { ++calls; }));
        QCOMPARE(calls, 0);
    }
    /// What is known is not measured again, and what was changed is.
    void knownCellsAreAdopted() {
        SensitivityTable table = begin({schemeOf("rtn", 4), schemeOf("rtn", 3)});
        QS_VERIFY_OK(measureSensitivity(*model_, request(), table, *backend_, {}));
        SensitivityTable more = begin({schemeOf("rtn", 3), schemeOf("rtn", 2)});
        more.adopt(table);
        QCOMPARE(more.rows[4].cells[0].kl, table.rows[4].cells[1].kl);
        QVERIFY(std::isnan(more.rows[4].cells[1].weightError));
        QCOMPARE(more.rows[4].alpha, table.rows[4].alpha);
        int rows = 0;
        QS_VERIFY_OK(measureSensitivity(*model_, request(), more, *backend_, {},
                                        [&](const SensitivityTable&, size_t) { ++rows; }));
        QCOMPARE(rows, int(more.rows.size())); // one cell each
        SensitivityTable other = begin({schemeOf("rtn", 3)});
        other.textFingerprint = "another";
        other.adopt(table);
        QVERIFY(std::isnan(other.rows[4].alpha) && std::isnan(other.rows[4].cells[0].kl));
        QCOMPARE(other.rows[4].cells[0].weightError, table.rows[4].cells[1].weightError);
        other = begin({schemeOf("rtn", 3)});
        other.calibrationFingerprint = "another";
        other.adopt(table);
        QVERIFY(std::isnan(other.rows[4].cells[0].weightError));
    }
    void cancelledKeepsWhatThereIs() {
        SensitivityTable table = begin({schemeOf("rtn", 4)});
        std::stop_source stop;
        SensitivityRequest errors{calibration_.get()};
        const auto stopped =
            measureSensitivity(*model_, errors, table, *backend_, JobContext(stop.get_token()),
                               [&](const SensitivityTable&, size_t row) {
                                   if (row == 3) stop.request_stop();
                               });
        QVERIFY(!stopped && stopped.error().code == ErrorCode::Cancelled);
        QVERIFY(table.rows[3].cells[0].hasError() && !table.rows[4].cells[0].hasError());
    }
    void fileRoundTrip() {
        SensitivityTable table = begin({schemeOf("rtn", 4), schemeOf("gptq", 3)});
        SensitivityRequest errors{calibration_.get()};
        QS_VERIFY_OK(measureSensitivity(*model_, errors, table, *backend_, {}));
        table.rows[0].cells[1].refused = "a reason";
        const fs::path path = folder_.filePath("t.json").toStdString();
        QS_VERIFY_OK(table.save(path));
        const auto back = SensitivityTable::load(path);
        QS_VERIFY_OK(back);
        QVERIFY(back->toJson() == table.toJson());
        QVERIFY(back->candidates == table.candidates);
        QCOMPARE(back->rows[2].cells[1].outputError, table.rows[2].cells[1].outputError);
        QVERIFY(std::isnan(back->rows[2].alpha));
    }
    void damagedFilesAreNamed() {
        const nlohmann::json good = begin({schemeOf("rtn", 4)}).toJson();
        const auto refusal = [&](auto damage) {
            nlohmann::json bad = good;
            damage(bad);
            const auto t = SensitivityTable::fromJson(bad, "t.json");
            return t ? std::string() : t.error().describe();
        };
        QCOMPARE(refusal([](auto&) {}), std::string());
        const auto says = [&](auto damage, const char* what) {
            const std::string text = refusal(damage);
            QVERIFY2(text.find(what) != std::string::npos, text.c_str());
        };
        says([](auto& j) { j = nlohmann::json::array(); }, "t.json");
        says([](auto& j) { j["schema"] = "x"; }, "no sensitivity table");
        says([](auto& j) { j["version"] = 2; }, "version 2");
        says([](auto& j) { j.erase("rows"); }, "has no 'rows'");
        says([](auto& j) { j["rows"][3]["weights"] = -4; }, "rows[3]");
        says([](auto& j) { j["rows"][3]["alpha"] = "much"; }, "'alpha' must be a number");
        says([](auto& j) { j["rows"][1]["cells"].push_back(1); }, "has 2 cells for 1 candidates");
        says([](auto& j) { j["rows"][1]["cells"][0]["kl"] = -1; }, "rows[1].cells[0]");
        says([](auto& j) { j["candidates"][0]["codec"] = "none"; }, "candidates[0]");
    }
    void withoutWhatItNeeds() {
        SensitivityTable table = begin({schemeOf("gptq", 4)});
        const auto noCalibration = measureSensitivity(*model_, {}, table, *backend_, {});
        QVERIFY(!noCalibration && noCalibration.error().message.find("GPTQ needs a calibration") == 0);
        SensitivityRequest noText = request();
        noText.text = nullptr;
        QVERIFY(!measureSensitivity(*model_, noText, table, *backend_, {}));
    }
};

QS_TEST(Sensitivity)
#include "tst_sensitivity.moc"
