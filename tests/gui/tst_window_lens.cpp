// SPDX-License-Identifier: GPL-3.0-or-later
// The distribution lens, the anatomy and the layer card in the window, on the sample model: every number
// against plain float64 sums, and the way into the recipe and back.
#include "app/pages/AnatomyPane.h"
#include "app/pages/DistributionPage.h"
#include "app/pages/InspectPage.h"
#include "app/pages/LayerCardPane.h"
#include "app/pages/LensPanel.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/LayerCard.h"

#include <QClipboard>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QTableView>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;

/// tr(E Sigma E^T) / tr(W Sigma W^T) by plain loops.
double outputErrorOf(const Matrix& w, const Matrix& q, const MatrixD& sigma) {
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

double weightErrorOf(const Matrix& w, const Matrix& q) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < w.size(); ++i) {
        error += (double(q.data()[i]) - w.data()[i]) * (double(q.data()[i]) - w.data()[i]);
        norm += double(w.data()[i]) * w.data()[i];
    }
    return error / norm;
}

bool near(double a, double b, double relative) {
    return std::fabs(a - b) <= relative * std::fabs(b);
}

} // namespace

class WindowLens : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-lens");
        m_window = std::make_unique<WindowFixture>(*m_home);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        (*m_window)->resize(1600, 1000);
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(session()->model(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(session()->scannedCount(), m_window->table()->count(), kLong);
    }
    void cleanupTestCase() { m_window.reset(); }

    void withoutCalibrationTheCardSaysWhatToDo() {
        select("q", 0);
        QTRY_VERIFY_WITH_TIMEOUT(advice(), kLong);
        QVERIFY(!advice()->outputError && advice()->nearest); // the recipe says GPTQ
        QVERIFY(!card()->sentences().isEmpty());
        QVERIFY2(card()->sentences().front().contains(u"Calibrate"), qPrintable(card()->sentences().front()));
    }

    void calibrate() {
        m_window->trigger("calibrate");
        QVERIFY(m_window->startDialog("calibrateDialog", 64, 16));
        QTRY_VERIFY_WITH_TIMEOUT(session()->calibration(), kLong);
    }

    void theCardNamesTheInjectedChannels() {
        QFile file(QString::fromStdString(
            (sourceDir() / "resources/sample/reference/injected_outliers.json").string()));
        QVERIFY(file.open(QIODevice::ReadOnly));
        const auto injected = nlohmann::json::parse(file.readAll().toStdString());
        QVERIFY(injected["sites"].size() >= 9);
        for (const auto& site : injected["sites"]) {
            const std::string where = site["site"];
            select(where == "qkv" ? "q" : where == "gate_up" ? "up" : "down", site["block"]);
            QTRY_VERIFY_WITH_TIMEOUT(adviceFor(session()->selection()->current()), kLong);
            std::vector<size_t> expected;
            for (const auto& c : site["channels"])
                expected.push_back(c["channel"]);
            const LayerFinding& f = advice()->findings.front();
            QCOMPARE(f.kind, LayerFinding::Kind::EnergyInFew);
            QVERIFY(f.channels.size() >= expected.size());
            std::vector<size_t> first(f.channels.begin(), f.channels.begin() + long(expected.size()));
            std::sort(first.begin(), first.end());
            std::sort(expected.begin(), expected.end());
            QCOMPARE(first, expected);
            // The share, from the diagonal of Sigma.
            const QuantTarget& t = target();
            const auto sigma = session()->calibration()->sigma(t.site);
            QS_VERIFY_OK(sigma);
            double share = 0, total = 0;
            for (size_t c = 0; c < t.cols; ++c)
                total += (*sigma)(c, c);
            for (const size_t c : f.channels)
                share += (*sigma)(c, c) / total;
            QVERIFY(near(f.value, share, 1e-9));
            for (const size_t c : expected)
                QVERIFY(card()->sentences().front().contains(QStringLiteral("<b>%1</b>").arg(c)));
        }
    }

    void optionsCostWhatTheySay() {
        select("q", 0);
        QTRY_VERIFY_WITH_TIMEOUT(adviceFor(session()->selection()->current()), kLong);
        const int t = session()->selection()->current();
        const auto before = m_window->table()->schemes()[size_t(t)];
        const Matrix w = weight();
        const MatrixD sigma = this->sigma();
        const auto measured = [&](const Scheme& s) {
            return outputErrorOf(w, quantized(s, w, sigma), sigma);
        };
        QVERIFY(near(advice()->errorNow, measured(*before), 1e-3));
        const auto options = advice()->options;
        QVERIFY(options.size() >= 4);
        const quint64 bytes = m_window->table()->row(t).bytesAfter;
        for (size_t i = 0; i < options.size(); ++i) {
            const int steps = session()->undoStack()->index();
            QTRY_VERIFY_WITH_TIMEOUT(advice() && advice()->options.size() == options.size(), kLong);
            QTest::mouseClick(card()->button(int(i)), Qt::LeftButton);
            QCOMPARE(session()->undoStack()->index(), steps + 1);
            const auto after = m_window->table()->schemes()[size_t(t)];
            QCOMPARE(qint64(m_window->table()->row(t).bytesAfter) - qint64(bytes), options[i].bytesChange);
            if (after)
                QVERIFY2(near(options[i].error, measured(*after), 1e-3), qPrintable(options[i].label));
            else
                QCOMPARE(options[i].error, 0.0);
            m_window->trigger("undo");
            QCOMPARE(m_window->table()->schemes()[size_t(t)], before);
        }
        // 256 x 256 in groups of 128: a bit more is 8 192 bytes of codes and 64 of zero points.
        QCOMPARE(options[0].label, QStringLiteral("Raise to 5 bits"));
        QCOMPARE(options[0].bytesChange, qint64(8192 + 64));
        QVERIFY(options[0].error < advice()->errorNow);
    }

    void theLensShowsTheTensor() {
        m_window->trigger("distribution");
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now(), kLong);
        QVERIFY(lens()->source()->sigma);
        QVERIFY(!lens()->isWhatIf());
        checkView(*lens()->now());
        QVERIFY(page()->histogram()->hasClip());
        QVERIFY(m_window->find<QWidget>("lensPanel")->isVisible());
        QVERIFY(!m_window->find<QPushButton>("useInRecipe")->isEnabled());
    }

    void draggingQuantizesAgain() {
        QFETCH(int, units);
        auto* combo = m_window->find<QComboBox>("lensUnits");
        combo->setCurrentIndex(units);
        ui::HistogramWidget* h = page()->histogram();
        QTest::qWait(50);
        const auto original = lens()->now();
        const auto scheme = scheme0();
        const QPoint handle = rightHandle();
        QVERIFY(handle.x() > 0);
        QTest::mousePress(h, Qt::LeftButton, {}, handle);
        for (const int dx : {10, 40, 90})
            QTest::mouseMove(h, handle - QPoint(dx, 0));
        QVERIFY(h->isClipDragged());
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() != original && settled(), kLong);
        const auto now = lens()->now();
        QVERIFY(lens()->isWhatIf() && now->range.clip < 0.95f && now->range.clip > 0.3f);
        QTest::mouseRelease(h, Qt::LeftButton, {}, handle - QPoint(90, 0));
        checkView(*now);
        // The line is where the range ends: in weight units at clip x the extremes, in code units, on the old
        // grid, at clip x the way from the mean zero to half a step beyond the last code.
        double end = now->report.original.hi;
        double centre = 0;
        if (units == 1) {
            const auto& zero = original->quantized.tensor->zero;
            for (const float z : zero.span())
                centre += double(z) / double(zero.size());
            end = 15.5;
        }
        QVERIFY(std::fabs(h->clipHi() - (centre + double(now->range.clip) * (end - centre))) <=
                0.0011 * std::fabs(end - centre));
        QVERIFY(now->report.clipped > original->report.clipped);
        QVERIFY(m_window->window->findChild<ui::Chip*>(QStringLiteral("lensChip"))
                    ->text()
                    .contains(u"re-quantized"));
        QCOMPARE(scheme0(), scheme); // nothing reached the recipe
        QCOMPARE(
            page()->findChild<ui::HistogramWidget*>(QStringLiteral("errorHistogram"))->data()->outline.label,
            QStringLiteral("before the drag"));
        h->setFocus();
        QTest::keyClick(h, Qt::Key_Escape);
        QCOMPARE(lens()->now(), original);
        QVERIFY(std::fabs(h->clipHi() - end) <= 1e-6 * std::fabs(end));
    }
    void draggingQuantizesAgain_data() {
        QTest::addColumn<int>("units");
        QTest::newRow("weight units") << 0;
        QTest::newRow("code units") << 1;
    }

    void enterKeepsAndEscapeReturnsThere() {
        m_window->find<QComboBox>("lensUnits")->setCurrentIndex(0);
        ui::HistogramWidget* h = page()->histogram();
        QTest::qWait(50);
        h->setFocus();
        const auto step = [&](int times) {
            for (int i = 0; i < times; ++i)
                QTest::keyClick(h, Qt::Key_Left, Qt::ShiftModifier);
            QTRY_VERIFY_WITH_TIMEOUT(settled(), kLong);
        };
        step(20);
        QTest::keyClick(h, Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(lens()->kept() == lens()->now() && lens()->isWhatIf(), kLong);
        const float kept = lens()->now()->range.clip;
        step(30);
        QVERIFY(lens()->now()->range.clip < kept);
        QTest::keyClick(h, Qt::Key_Escape);
        QCOMPARE(lens()->now()->range.clip, kept);
        m_window->find<QPushButton>("resetClip")->click();
        QVERIFY(!lens()->isWhatIf());
    }

    void useInRecipeIsOneUndoStep() {
        const int t = session()->selection()->current();
        const auto before = m_window->table()->schemes()[size_t(t)];
        auto* clip = m_window->find<QDoubleSpinBox>("lensClip");
        clip->setValue(0.9);
        QTRY_VERIFY_WITH_TIMEOUT(lens()->isWhatIf() && lens()->now()->range.clip == 0.9f, kLong);
        const int steps = session()->undoStack()->index();
        auto* use = m_window->find<QPushButton>("useInRecipe");
        QVERIFY(use->isEnabled());
        use->click();
        QCOMPARE(session()->undoStack()->index(), steps + 1);
        const auto after = m_window->table()->schemes()[size_t(t)];
        QCOMPARE(after->method, before->method); // GPTQ has a clip ratio too
        QCOMPARE(after->methodParams.real("clip"), 0.9);
        QCOMPARE(after->methodParams.choice("range"), std::string("minmax"));
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && !lens()->isWhatIf(), kLong);
        QCOMPARE(lens()->range().clip, 0.9f);
        m_window->trigger("undo");
        QCOMPARE(m_window->table()->schemes()[size_t(t)], before);
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && lens()->range().clip == 1.0f, kLong);
        // The searched range writes "mse".
        m_window->find<QComboBox>("lensRule")->setCurrentIndex(2);
        QTRY_VERIFY_WITH_TIMEOUT(lens()->isWhatIf() && settled(), kLong);
        QVERIFY(lens()->now()->clip < 1 && lens()->now()->clip > 0.5);
        use->click();
        QCOMPARE(m_window->table()->schemes()[size_t(t)]->methodParams.choice("range"), std::string("mse"));
        m_window->trigger("undo");
        QCOMPARE(m_window->table()->schemes()[size_t(t)], before);
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && !lens()->isWhatIf(), kLong);
    }

    void theMapAndTheListLeadToAGroup() {
        auto* map = page()->errorMap();
        QTRY_VERIFY(map->data() && map->data()->rows == 256);
        const auto view = lens()->now();
        // Each cell: ||e|| / ||w|| of its group.
        const Matrix w = weight();
        const Matrix q = view->quantized.codec->dequantize(*view->quantized.tensor);
        for (const size_t row : {size_t(0), size_t(77), size_t(255)})
            for (size_t g = 0; g < 2; ++g) {
                double e = 0, n = 0;
                for (size_t c = g * 128; c < (g + 1) * 128; ++c) {
                    e += (double(q(row, c)) - w(row, c)) * (double(q(row, c)) - w(row, c));
                    n += double(w(row, c)) * w(row, c);
                }
                QVERIFY(
                    near(double(map->data()->values[qsizetype(row * 2 + g)]), 100 * std::sqrt(e / n), 1e-5));
            }
        QTest::mouseClick(map, Qt::LeftButton, {}, map->cellRect(77, 1).center().toPoint());
        QCOMPARE(anatomy()->trials().group(), size_t(1));
        QCOMPARE(int(anatomy()->trials().row()), map->currentRow());
        auto* worst = m_window->find<QTableView>("worstGroups");
        QVERIFY(worst->model()->rowCount() > 3);
        worst->setCurrentIndex(worst->model()->index(2, 0));
        QCOMPARE(anatomy()->trials().row(), view->report.worst[2].row);
        QCOMPARE(anatomy()->trials().group(), view->report.worst[2].group);
        QCOMPARE(map->currentRow(), int(view->report.worst[2].row));
    }

    void theAnatomyHoldsWhatTheMethodsChose() {
        QTRY_VERIFY_WITH_TIMEOUT(allSolved(), kLong);
        const auto a = anatomy()->trials().anatomy();
        const auto& trials = anatomy()->trials().trials();
        const Matrix w = weight();
        const MatrixD sigma = this->sigma();
        QStringList labels;
        for (size_t i = 0; i < trials.size(); ++i) {
            labels << trials[i].label;
            if (trials[i].label.isEmpty()) continue;
            QVERIFY2(a->codes[i], qPrintable(trials[i].label));
        }
        // Every registered method that can run is there, GPTQ solved with the calibration's Sigma.
        for (const MethodDescriptor* m : methods())
            QVERIFY2(!labels.filter(QString::fromStdString(m->label)).isEmpty(), m->id.c_str());
        const int gptq = int(labels.indexOf(QStringLiteral("GPTQ")));
        QVERIFY(gptq > 0);
        const QuantizedTensor own = codesOf(*scheme0(), w, sigma);
        const GroupSlice& s = a->slice;
        for (size_t i = 0; i < s.columns.size(); ++i) {
            QCOMPARE(s.weights[i], w(s.row, s.columns[i]));
            QCOMPARE(a->codes[size_t(gptq)]->codes[i], own.codes[s.row * 256 + s.columns[i]]);
        }
        // e Sigma e^T / w Sigma w^T of the row.
        Matrix row(1, 256), value(1, 256);
        const Matrix q = (*codecOf(own))->dequantize(own);
        for (size_t c = 0; c < 256; ++c) {
            row(0, c) = w(s.row, c);
            value(0, c) = q(s.row, c);
        }
        QVERIFY(near(a->codes[size_t(gptq)]->outputError, outputErrorOf(row, value, sigma), 1e-3));
        m_window->find<QPushButton>("copyValues")->click();
        const QStringList lines =
            QApplication::clipboard()->text().split(QLatin1Char('\n'), Qt::SkipEmptyParts);
        QCOMPARE(lines.size(), 1 + int(s.columns.size()));
        QCOMPARE(lines[1].split(QLatin1Char('\t'))[1].toInt(), int(s.columns[0]));
        QCOMPARE(lines[1].split(QLatin1Char('\t'))[2].toFloat(), s.weights[0]);
    }

    void afterTheRunTheCodesAreTheRuns() {
        m_window->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(session()->run() && session()->run()->complete(), kLong);
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        (*m_window)->inspectPage()->showDistribution();
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && !lens()->now()->quantized.preview, kLong);
        const auto stored = session()->run()->tensor(target().module);
        QS_VERIFY_OK(stored);
        QCOMPARE(lens()->now()->quantized.tensor->codes, stored->codes);
        checkView(*lens()->now());
        anatomy()->setGroup(9, 1);
        QTRY_VERIFY_WITH_TIMEOUT(allSolved() && anatomy()->trials().anatomy()->slice.row == 9, kLong);
        const auto& trials = anatomy()->trials().trials();
        QCOMPARE(trials.front().label, QStringLiteral("Run"));
        for (const auto& t : trials)
            QVERIFY(t.label != QStringLiteral("GPTQ")); // the run's codes say it
        const auto& shown = *anatomy()->trials().anatomy()->codes.front();
        for (size_t i = 0; i < 128; ++i)
            QCOMPARE(shown.codes[i], stored->codes[9 * 256 + 128 + i]);
        QCOMPARE(anatomy()->anatomy()->data()->methods.front().codes[5], int(stored->codes[9 * 256 + 133]));
        // The error agrees with the run's own record.
        QVERIFY(near(lens()->now()->report.error.weight,
                     session()->run()->result(target().module)->error.weight, 1e-5));
    }

    void keptTensorsSayThatThereIsNothing() {
        const int t = session()->selection()->current();
        QVERIFY(m_window->table()->edit({t}, ui::SchemeEdit::keep()).isEmpty());
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && lens()->now()->report.levels == 0, kLong);
        QVERIFY(!page()->histogram()->hasClip());
        QVERIFY(!m_window->find<QComboBox>("lensRule")->isEnabled());
        QVERIFY(m_window->find<QComboBox>("lensRule")->toolTip().contains(u"kept"));
        QVERIFY(page()->errorMap()->data()->emptyText.contains(u"kept"));
        m_window->trigger("undo");
        QTRY_VERIFY_WITH_TIMEOUT(lens()->now() && lens()->now()->report.levels == 16, kLong);
        (*m_window)->inspectPage()->showProfile();
        QTRY_VERIFY(lens()->target() < 0); // nothing is held for a page that nobody sees
    }

    /// Formats whose codes have no values of their own: tables of the tensor, vectors of several rows.
    void tablesAndVectors() {
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        (*m_window)->inspectPage()->showDistribution();
        for (const char* codec : {"lut", "vector", "int_nested"}) {
            const Scheme scheme = *Scheme::make(codec, "rtn");
            QVERIFY(m_window->table()->edit({2}, ui::SchemeEdit::replace(scheme)).isEmpty());
            session()->selection()->selectOne(2);
            QTRY_VERIFY_WITH_TIMEOUT(lens()->target() == 2 && lens()->now() && settled() &&
                                         lens()->now()->quantized.tensor &&
                                         lens()->now()->quantized.tensor->codec == codec,
                                     kLong);
            QVERIFY2(lens()->now()->report.error.weight > 0, codec);
            QVERIFY2(lens()->now()->report.error.weight < 0.2, codec);
            for (const char* units : {"1", "0"}) {
                m_window->find<QComboBox>("lensUnits")->setCurrentIndex(QByteArray(units).toInt());
                QTest::qWait(60);
            }
            m_window->trigger("undo");
        }
    }

private:
    app::Session* session() const { return m_window->session(); }
    app::DistributionPage* page() const { return (*m_window)->inspectPage()->distribution(); }
    app::Lens* lens() const { return page()->lens(); }
    app::AnatomyPane* anatomy() const { return page()->anatomy(); }
    ui::LayerCard* card() const { return m_window->find<ui::LayerCard>("layerCard"); }
    std::shared_ptr<const app::LayerAdviceResult> advice() const {
        return m_window->find<app::LayerCardPane>("layerCardPane")->advice().result();
    }
    bool adviceFor(int target) const {
        return advice() && advice()->target == target && advice()->outputError;
    }
    const QuantTarget& target() const {
        return session()->model()->targets()[size_t(session()->selection()->current())];
    }
    std::shared_ptr<const Scheme> scheme0() const {
        return m_window->table()->schemes()[size_t(session()->selection()->current())];
    }
    void select(const char* role, int block) const {
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (m_window->table()->row(t).role == QLatin1String(role) &&
                m_window->table()->row(t).block == block)
                session()->selection()->selectOne(t);
    }
    /// The exact picture of what was asked for last is in front.
    bool settled() const {
        return lens()->now() && lens()->now()->range == lens()->range() && lens()->now()->rowStep == 1 &&
               lens()->progress() < 0;
    }
    bool allSolved() const {
        const auto a = anatomy()->trials().anatomy();
        if (!a || a->codes.size() != anatomy()->trials().trials().size()) return false;
        for (size_t i = 0; i < a->codes.size(); ++i)
            if (!a->codes[i] && !anatomy()->trials().trials()[i].label.isEmpty()) return false;
        return true;
    }
    Matrix weight() const { return std::move(*session()->model()->readTarget(target())); }
    MatrixD sigma() const { return std::move(*session()->calibration()->sigma(target().site)); }
    QuantizedTensor codesOf(const Scheme& scheme, const Matrix& w, const MatrixD& sigma) const {
        const auto codec = *createCodec(scheme.codec, scheme.codecParams);
        const auto backend = makeCpuBackend(1);
        QuantizeInput in;
        in.weight = w.view();
        in.codec = codec.get();
        in.sigma = &sigma;
        in.params = scheme.methodParams;
        in.backend = backend.get();
        return std::move(*(*findMethod(scheme.method))->quantize(in, {}));
    }
    Matrix quantized(const Scheme& scheme, const Matrix& w, const MatrixD& sigma) const {
        const QuantizedTensor q = codesOf(scheme, w, sigma);
        return (*codecOf(q))->dequantize(q);
    }
    /// Every number of a view, recomputed from its codes.
    void checkView(const app::LensView& view) const {
        const Matrix w = weight();
        const Matrix q = view.quantized.codec->dequantize(*view.quantized.tensor);
        QCOMPARE(view.rowStep, size_t(1));
        QVERIFY(near(view.report.error.weight, weightErrorOf(w, q), 1e-6));
        QVERIFY(near(view.report.error.output, outputErrorOf(w, q, sigma()), 1e-3));
        double most = 0;
        for (size_t i = 0; i < w.size(); ++i)
            most = std::max(most, std::fabs(double(q.data()[i]) - w.data()[i]));
        QVERIFY(near(view.report.error.maxAbs, most, 1e-6));
        if (!view.quantized.preview) return;
        // Row 3, group 1: the grid that covers clip x [min, max], in float16, and the nearest of its codes.
        const auto& t = *view.quantized.tensor;
        float lo = 0, hi = 0;
        for (size_t c = 128; c < 256; ++c) {
            lo = std::min(lo, w(3, c));
            hi = std::max(hi, w(3, c));
        }
        QVERIFY(near(double(t.scale(3, 1)), double(view.range.clip) * (double(hi) - lo) / 15, 1e-3));
        for (size_t c = 128; c < 256; ++c) {
            const double code =
                std::clamp(std::nearbyint(double(w(3, c)) / t.scale(3, 1)) + t.zero(3, 1), 0.0, 15.0);
            QVERIFY(std::fabs(code - t.codes[3 * 256 + c]) <=
                    (std::fabs(std::fabs(std::remainder(double(w(3, c)) / t.scale(3, 1), 1.0)) - 0.5) < 1e-4
                         ? 1
                         : 0));
        }
    }
    /// Where the right clip line is painted, below its flag.
    QPoint rightHandle() const {
        const QImage image = page()->histogram()->grab().toImage();
        const QColor wanted = ui::theme().outlier;
        const int y = image.height() / 2;
        for (int x = image.width() - 1; x > image.width() / 3; --x) {
            const QColor c(image.pixel(x, y));
            if (std::abs(c.red() - wanted.red()) + std::abs(c.green() - wanted.green()) +
                    std::abs(c.blue() - wanted.blue()) <
                30)
                return {x, y};
        }
        return {-1, -1};
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowLens)
#include "tst_window_lens.moc"
