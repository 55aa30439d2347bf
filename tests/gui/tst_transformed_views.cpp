// SPDX-License-Identifier: GPL-3.0-or-later
// What the views say about runs made with transforms, against the model's own gains and weights: scaled by g
// / g', the gain before over the gain that the run wrote, a linear behind a norm computes what it did.
#include "app/pages/AnatomyPane.h"
#include "app/pages/DistributionPage.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JudgePage.h"
#include "app/pages/ProfilePane.h"
#include "app/pages/TextPane.h"
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "core/quant/transform/scaling.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/models/Metric.h"
#include "widgets/views/Chip.h"
#include "widgets/views/TokenTextView.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 300000;
constexpr int kWindow = 64;

bool near(double a, double b, double relative) {
    return std::fabs(a - b) <= relative * std::fabs(b);
}

/// A model's weights with some replaced, and perhaps one whose inputs are rounded.
class Replaced final : public WeightSource {
public:
    explicit Replaced(const Model& model) : base_(modelWeights(model)) {}
    std::map<std::string, Matrix> values;
    std::map<std::string, std::shared_ptr<const RowRounder>> inputs;

    Result<Matrix> matrix(const std::string& name) const override {
        const auto it = values.find(name);
        return it == values.end() ? base_->matrix(name) : it->second.clone();
    }
    Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& name) const override {
        const auto it = inputs.find(name);
        return it == inputs.end() ? nullptr : it->second;
    }
    std::string fingerprint() const override { return "replaced"; }
    std::string label() const override { return "replaced"; }

private:
    std::shared_ptr<const WeightSource> base_;
};

std::vector<double> softmax(const float* logits, size_t n) {
    std::vector<double> p(n);
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; ++i)
        top = std::max(top, double(logits[i]));
    for (size_t i = 0; i < n; ++i)
        sum += p[i] = std::exp(double(logits[i]) - top);
    for (double& v : p)
        v /= sum;
    return p;
}

} // namespace

class TransformedViews : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("transformed-views");
        m_window = std::make_unique<WindowFixture>(*m_home);
        (*m_window)->resize(1600, 1000);
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 128, 16));
        QTRY_VERIFY_WITH_TIMEOUT(session()->calibration(), kLong);
        // Eight bits for weights and inputs, each row and each token on an absmax grid.
        run({{"codec", "int"},
             {"codec_params", {{"bits", 8}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}}},
             {"method", "rtn"},
             {"inputs", InputScheme::preset("int8")->toJson()}},
            "smoothquant");
        m_q = targetOf("layers.2.self_attn.q_proj");
        const std::string norm = "model.layers.2.input_layernorm.weight";
        const auto before = modelWeights(model())->matrix(norm);
        QS_VERIFY_OK(before);
        const auto after = session()->run()->changedTensor(norm, 1, before->size());
        QS_VERIFY_OK(after);
        double least = INFINITY, most = 0;
        for (size_t c = 0; c < before->size(); ++c) {
            m_factors.push_back(before->data()[c] / after->data()[c]);
            least = std::min(least, double(m_factors.back()));
            most = std::max(most, double(m_factors.back()));
        }
        m_gain = after->clone();
        QVERIFY(most > 3 * least); // else the tests below would not see a scaling that is forgotten
    }
    void cleanupTestCase() { m_window.reset(); }

    void theLensShowsWhatTheRunQuantized() {
        session()->selection()->selectOne(m_q);
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        (*m_window)->inspectPage()->showDistribution();
        app::Lens* lens = page()->lens();
        QTRY_VERIFY_WITH_TIMEOUT(lens->now() && !lens->now()->quantized.preview, kLong);
        const Matrix w = scaled("q_proj"), q = roundedByHand(w);
        const auto& now = *lens->now();
        const Matrix shown = now.quantized.codec->dequantize(*now.quantized.tensor);
        double error = 0, norm = 0, most = 0;
        for (size_t i = 0; i < w.size(); ++i) {
            QVERIFY(near(double(lens->source()->weight.data()[i]), double(w.data()[i]), 1e-5));
            const double e = double(q.data()[i]) - w.data()[i];
            error += e * e;
            norm += double(w.data()[i]) * w.data()[i];
            most = std::max(most, std::fabs(double(w.data()[i])));
        }
        for (size_t i = 0; i < w.size(); ++i) // a value in the middle may go either way: one step of the row
            QVERIFY(std::fabs(double(shown.data()[i]) - q.data()[i]) <= 1.001 * most / 127);
        QVERIFY(near(now.report.error.weight, error / norm, 1e-3));
        QVERIFY(near(now.report.error.output, outputError(w, shown), 1e-3));
        QVERIFY(m_window->find<ui::Chip>("lensChip")->text().startsWith(u"written by the run"));
        QVERIFY(page()->histogram()->data()->beforeLabel.contains(u"scaled"));
    }

    /// A method that is tried beside the run meets the same weights, and Sigma of the same inputs.
    void trialsAreScaledToo() {
        const auto gptq = [&]() -> std::shared_ptr<const QuantizedTensor> {
            for (const auto& trial : page()->anatomy()->trials().trials())
                if (trial.label == QLatin1String("GPTQ")) return trial.tensor;
            return nullptr;
        };
        QTRY_VERIFY_WITH_TIMEOUT(gptq(), kLong);
        const Matrix w = scaled("q_proj");
        const MatrixD sigma = scaledSigma();
        const auto& scheme = *m_window->table()->schemes()[size_t(m_q)];
        const auto codec = *createCodec(scheme.codec, scheme.codecParams);
        const auto backend = makeCpuBackend(1);
        QuantizeInput in;
        in.weight = w.view();
        in.codec = codec.get();
        in.sigma = &sigma;
        in.params = Params::defaults((*findMethod("gptq"))->params);
        in.backend = backend.get();
        const auto own = (*findMethod("gptq"))->quantize(in, {});
        QS_VERIFY_OK(own);
        size_t other = 0;
        for (size_t i = 0; i < own->codes.size(); ++i)
            other += own->codes[i] != gptq()->codes[i];
        QVERIFY2(other * 1000 <= own->codes.size(), qPrintable(QString::number(other)));
        // With Sigma as it is, many would differ.
        const auto plain = session()->calibration()->sigma(model().targets()[size_t(m_q)].site);
        in.sigma = &*plain;
        const auto wrong = (*findMethod("gptq"))->quantize(in, {});
        QS_VERIFY_OK(wrong);
        other = 0;
        for (size_t i = 0; i < own->codes.size(); ++i)
            other += wrong->codes[i] != gptq()->codes[i];
        QVERIFY2(other * 100 > own->codes.size(), qPrintable(QString::number(other)));
    }

    void theComparisonIsScaledAndSaysSo() {
        (*m_window)->inspectPage()->showProfile();
        const auto comparison = [&] { return session()->comparison(); };
        QTRY_VERIFY_WITH_TIMEOUT(comparison() && comparison()->target == m_q && !comparison()->preview,
                                 kLong);
        QVERIFY(comparison()->scaled);
        const Matrix w = scaled("q_proj");
        const float most = largest(w);
        const Histogram& h = comparison()->report.original;
        QVERIFY(near(h.hi, double(most), 1e-5) && near(h.lo, -double(most), 1e-5)); // a symmetric codec
        std::vector<uint64_t> counts(h.counts.size(), 0);
        for (const float v : w.span())
            ++counts[size_t(std::clamp((double(v) - h.lo) / (h.hi - h.lo), 0.0, 1.0 - 1e-12) *
                            double(counts.size()))];
        uint64_t off = 0, total = 0;
        for (size_t i = 0; i < counts.size(); ++i) {
            off += counts[i] > h.counts[i] ? counts[i] - h.counts[i] : h.counts[i] - counts[i];
            total += h.counts[i];
        }
        QCOMPARE(total, uint64_t(w.size()));
        QVERIFY(off * 100 <= total); // values at the edge of a bin
        const auto* histogram = m_window->find<ui::HistogramWidget>("inspectorHistogram");
        QTRY_VERIFY(histogram->data()->beforeLabel.contains(u"scaled"));
    }

    /// The profile is of the model as it is: the largest channels there are what the transform answers to.
    void theProfileShowsTheModel() {
        const auto data = [&] {
            return (*m_window)->inspectPage()->profile()->profile()->weightsPane()->data();
        };
        QTRY_VERIFY_WITH_TIMEOUT(data() && data()->channels() == int(m_factors.size()), kLong);
        const Matrix w = weightOf("q_proj");
        for (size_t c = 0; c < w.cols(); ++c) {
            float most = 0;
            for (size_t r = 0; r < w.rows(); ++r)
                most = std::max(most, std::fabs(w(r, c)));
            QCOMPARE(data()->absmax[qsizetype(c)], most);
        }
        const auto* site = session()->calibration()->find(model().targets()[size_t(m_q)].site);
        const auto inputs = (*m_window)->inspectPage()->profile()->profile()->activationsPane()->data();
        for (size_t c = 0; c < w.cols(); ++c)
            QCOMPARE(inputs->absmax[qsizetype(c)], site->stats.absmax[c]);
    }

    /// One layer alone, as the run wrote it: the model in the run's coordinates of that block, with the other
    /// readers of the norm unquantized, and only this one's inputs rounded.
    void klShareIsOfTheScaledLayer() {
        app::KlShare* kl = (*m_window)->inspectState()->klShare();
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        const ui::TargetRow& row = m_window->table()->row(m_q);
        QVERIFY(!row.klStale && !row.klNearest && !row.klUnscaled);
        QCOMPARE(ui::klStandInText(row), QString());
        Replaced alone(model());
        alone.values["model.layers.2.input_layernorm.weight"] = m_gain.clone();
        for (const char* name : {"k_proj", "v_proj"})
            alone.values[nameOf(name)] = scaled(name);
        alone.values[nameOf("q_proj")] = roundedByHand(scaled("q_proj"));
        alone.inputs[nameOf("q_proj")] = int8Rounder();
        const double direct = klOf(alone);
        QVERIFY2(near(row.kl, direct, 0.03), qPrintable(QStringLiteral("%1 %2").arg(row.kl).arg(direct)));
        // The same weights behind inputs that are rounded as they are: another number.
        Replaced unsmoothed(model());
        Matrix undone = roundedByHand(scaled("q_proj"));
        for (size_t r = 0; r < undone.rows(); ++r)
            for (size_t c = 0; c < undone.cols(); ++c)
                undone(r, c) /= m_factors[c];
        unsmoothed.values[nameOf("q_proj")] = std::move(undone);
        unsmoothed.inputs[nameOf("q_proj")] = int8Rounder();
        QVERIFY(!near(klOf(unsmoothed), direct, 0.2));
        // Without the transform in the recipe the values are another recipe's.
        m_window->table()->setModelSettings({}, QStringLiteral("Remove"));
        QVERIFY(m_window->table()->row(m_q).klStale);
        m_window->trigger("undo");
        QVERIFY(!m_window->table()->row(m_q).klStale);
    }

    /// The texts of a run, against the original with every quantized weight scaled back.
    void textsAreTheRuns() {
        run({{"codec", "int"}, {"codec_params", {{"bits", 4}, {"group", 32}}}, {"method", "rtn"}}, "awq");
        auto* judge = (*m_window)->judgePage();
        QTRY_VERIFY_WITH_TIMEOUT(judge->runs()->find('C'), kLong);
        app::EvaluateRequest request;
        request.text.windowLength = kWindow;
        request.text.windows = 3;
        QVERIFY(session()->evaluate(request));
        QTRY_VERIFY_WITH_TIMEOUT(judge->runs()->find('C')->evaluation, kLong);
        (*m_window)->setWorkspace(app::Workspace::Judge);
        const auto evaluation = judge->runs()->find('C')->evaluation;
        const auto* view = judge->text()->view('C');
        QTRY_VERIFY_WITH_TIMEOUT((view = judge->text()->view('C')) && view->data() &&
                                     view->data()->tokens.size() == kWindow,
                                 kLong);
        Replaced unfolded(model());
        bool scales = false;
        for (const QuantTarget& t : model().targets()) {
            const auto stored = session()->run()->tensor(t.module);
            QS_VERIFY_OK(stored);
            Matrix values = (*codecOf(*stored))->dequantize(*stored);
            const auto scaling = session()->run()->scalingOf(t);
            QS_VERIFY_OK(scaling);
            scales |= !scaling->columns.empty();
            scaling->undo(values.view());
            unfolded.values[t.weight] = std::move(values);
        }
        QVERIFY(scales);
        const std::span<const int32_t> ids(evaluation->text->row(0), size_t(kWindow));
        const auto backend = makeCpuBackend(2);
        const auto original = computeLogits(model().spec(), *modelWeights(model()), ids, *backend, {}),
                   changed = computeLogits(model().spec(), unfolded, ids, *backend, {});
        QS_VERIFY_OK(original);
        QS_VERIFY_OK(changed);
        double sum = 0;
        for (size_t t = 1; t < size_t(kWindow); ++t) {
            const auto p = softmax(original->row(t - 1), original->cols()),
                       q = softmax(changed->row(t - 1), changed->cols());
            double kl = 0;
            for (size_t v = 0; v < p.size(); ++v)
                kl += p[v] > 0 ? p[v] * std::log(p[v] / q[v]) : 0;
            sum += kl;
            const double shown = view->data()->tokens[qsizetype(t)].kl;
            QVERIFY2(std::fabs(shown - kl) <= 1e-4 + 0.01 * kl,
                     qPrintable(QStringLiteral("%1: %2 %3").arg(t).arg(shown).arg(kl)));
        }
        QVERIFY(sum > 0.01);
        auto* focused = judge->text()->view('C');
        focused->setFocus();
        for (int i = 0; i < 21; ++i)
            QTest::keyClick(focused, Qt::Key_Right);
        QTRY_VERIFY_WITH_TIMEOUT(judge->text()->card()->data().columns.size() >= 2, kLong);
        auto expected = softmax(changed->row(19), changed->cols());
        std::sort(expected.rbegin(), expected.rend());
        const auto& column = judge->text()->card()->data().columns.back();
        for (int k = 0; k < 10; ++k)
            QVERIFY(std::fabs(column.choices[k].probability - expected[size_t(k)]) <= 1e-4);
    }

private:
    app::Session* session() const { return m_window->session(); }
    const Model& model() const { return *session()->model(); }
    app::DistributionPage* page() const { return (*m_window)->inspectPage()->distribution(); }
    int targetOf(const char* module) const { return m_window->table()->indexOf(QLatin1String(module)); }
    static std::string nameOf(const std::string& name) {
        return "model.layers.2.self_attn." + name + ".weight";
    }
    Matrix weightOf(const std::string& name) const {
        return std::move(*modelWeights(model())->matrix(nameOf(name)));
    }
    /// As a linear behind the folded norm must be.
    Matrix scaled(const std::string& name) const {
        Matrix w = weightOf(name);
        for (size_t r = 0; r < w.rows(); ++r)
            for (size_t c = 0; c < w.cols(); ++c)
                w(r, c) *= m_factors[c];
        return w;
    }
    MatrixD scaledSigma() const {
        MatrixD sigma = std::move(*session()->calibration()->sigma(model().targets()[size_t(m_q)].site));
        for (size_t i = 0; i < sigma.rows(); ++i)
            for (size_t k = 0; k < sigma.cols(); ++k)
                sigma(i, k) /= double(m_factors[i]) * double(m_factors[k]);
        return sigma;
    }
    /// tr(E Sigma E^T) / tr(W Sigma W^T).
    double outputError(const Matrix& w, const Matrix& q) const {
        const MatrixD sigma = scaledSigma();
        double error = 0, norm = 0;
        for (size_t r = 0; r < w.rows(); ++r)
            for (size_t i = 0; i < w.cols(); ++i) {
                double e = 0, n = 0;
                for (size_t k = 0; k < w.cols(); ++k) {
                    e += (double(q(r, k)) - w(r, k)) * sigma(k, i);
                    n += double(w(r, k)) * sigma(k, i);
                }
                error += e * (double(q(r, i)) - w(r, i));
                norm += n * w(r, i);
            }
        return error / norm;
    }
    static float largest(const Matrix& m) {
        float most = 0;
        for (const float v : m.span())
            most = std::max(most, std::fabs(v));
        return most;
    }
    /// w' = s round(w / s), s = max |w| of the row / 127.
    static Matrix roundedByHand(const Matrix& weight) {
        Matrix m = weight.clone();
        for (size_t r = 0; r < m.rows(); ++r) {
            float most = 0;
            for (size_t c = 0; c < m.cols(); ++c)
                most = std::max(most, std::fabs(m(r, c)));
            const float s = most / 127;
            for (size_t c = 0; c < m.cols(); ++c)
                m(r, c) = s * std::nearbyint(m(r, c) / s);
        }
        return m;
    }
    static std::shared_ptr<const RowRounder> int8Rounder() {
        const auto preset = InputScheme::preset("int8");
        return std::make_shared<const RowRounder>(*createCodec(preset->codec, preset->codecParams));
    }
    double klOf(const WeightSource& weights) const {
        app::TextRequest text;
        text.windowLength = ui::kKlShareWindowLength;
        text.windows = ui::kKlShareWindows;
        const auto tokens = app::windowsFor(model(), text, true);
        const auto backend = makeCpuBackend(2);
        const auto base = modelWeights(model());
        const auto e = evaluate(model().spec(), weights, base.get(), *tokens, {}, *backend, {});
        if (!e) qFatal("%s", e.error().describe().c_str());
        return e->kl;
    }
    void run(const nlohmann::json& scheme, const char* transform) {
        Recipe recipe = Recipe::uniform(*Scheme::fromJson(scheme, "test"));
        recipe.transforms = {*TransformUse::make(transform)};
        m_window->table()->applyRecipe(recipe, QLatin1String(transform));
        QVERIFY2(session()->runBlocker().isEmpty(), qPrintable(session()->runBlocker()));
        session()->startRun();
        QTRY_VERIFY_WITH_TIMEOUT(
            session()->run() && session()->run()->complete() && !m_window->table()->runIsStale(), kLong);
        QVERIFY(!session()->run()->changedTensors().empty());
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
    int m_q = -1;
    std::vector<float> m_factors; ///< g / g' of block 2's first norm
    Matrix m_gain;                ///< g'
};

QS_TEST(TransformedViews)
#include "tst_transformed_views.moc"
