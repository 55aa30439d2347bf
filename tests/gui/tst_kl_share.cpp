// SPDX-License-Identifier: GPL-3.0-or-later
// The share of the damage that each layer does, measured on the sample: against running the whole model with
// one matrix replaced, and what becomes of the values when schemes change or a run arrives.
#include "app/WindowSession.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/TensorsPane.h"
#include "app/session/KlShare.h"
#include "core/evaluate/evaluate.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/models/KeyValue.h"
#include "widgets/models/TensorTableModel.h"

#include <QTreeView>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using ui::SchemeEdit;

namespace {

constexpr int kLong = 300000;

/// The model's weights with one matrix replaced.
class OneReplaced final : public WeightSource {
public:
    OneReplaced(std::shared_ptr<const WeightSource> base, std::string name, Matrix values)
        : base_(std::move(base)), name_(std::move(name)), values_(std::move(values)) {}
    Result<Matrix> matrix(const std::string& name) const override {
        if (name == name_) return values_.clone();
        return base_->matrix(name);
    }
    std::string fingerprint() const override { return "one replaced"; }
    std::string label() const override { return "one replaced"; }

private:
    std::shared_ptr<const WeightSource> base_;
    std::string name_;
    Matrix values_;
};

QVector<int> everything(const app::SchemeTable& table) {
    QVector<int> all(table.count());
    std::iota(all.begin(), all.end(), 0);
    return all;
}

/// KL of the whole model with these values in one place, on the text that the window uses.
double klWith(const Model& model, int target, Matrix values) {
    app::TextRequest text;
    text.windowLength = 256;
    text.windows = 4;
    const auto tokens = app::windowsFor(model, text, true);
    if (!tokens) qFatal("%s", tokens.error().describe().c_str());
    const auto backend = makeCpuBackend(2);
    const auto base = modelWeights(model);
    const OneReplaced one(base, model.targets()[size_t(target)].weight, std::move(values));
    const auto e = evaluate(model.spec(), one, base.get(), *tokens, {}, *backend, {});
    if (!e) qFatal("%s", e.error().describe().c_str());
    return e->kl;
}

/// The absmax grid, one scale per row: w' = s clamp(round(w / s)), s = max |w| / (2^(b-1) - 1).
Matrix roundedByHand(const Model& model, int target, int bits) {
    auto m = model.readTarget(model.targets()[size_t(target)]);
    if (!m) qFatal("%s", m.error().describe().c_str());
    const float top = float((1 << (bits - 1)) - 1);
    for (size_t r = 0; r < m->rows(); ++r) {
        float largest = 0;
        for (size_t c = 0; c < m->cols(); ++c)
            largest = std::max(largest, std::fabs((*m)(r, c)));
        const float scale = largest / top;
        for (size_t c = 0; c < m->cols(); ++c)
            (*m)(r, c) = scale * std::clamp(std::nearbyint((*m)(r, c) / scale), -top - 1, top);
    }
    return std::move(*m);
}

} // namespace

class KlShareTest : public QObject {
    Q_OBJECT

    static void roundEverything(const WindowFixture& w, long long bits) {
        const QVector<int> all = everything(*w.table());
        for (const auto& edit :
             {SchemeEdit::method("rtn"), SchemeEdit::codecParam("group", -1LL),
              SchemeEdit::codecParam("bits", bits), SchemeEdit::codecParam("grid", std::string("absmax")),
              SchemeEdit::codecParam("scale_dtype", std::string("f32"))})
            QCOMPARE(w.table()->edit(all, edit), QString());
    }

    static void everywhereShown(const WindowFixture& w) {
        const ui::HeatMapWidget* map = w->inspectPage()->heatMap()->map();
        QCOMPARE(w->inspectPage()->heatMap()->metric(), ui::Metric::KlShare);
        QTRY_VERIFY(map->data() && !std::isnan(map->data()->value(0, 0)));
        const auto percent = [map] {
            return std::accumulate(map->data()->values.begin(), map->data()->values.end(), 0.0);
        };
        QTRY_VERIFY(std::abs(percent() - 100) <= 1e-9); // the map follows in bursts
        // A block in the tree is the sum of its layers.
        QTRY_VERIFY(!w->treePane()->view()->isColumnHidden(ui::ModelTreeModel::KlShare));
        double block = 0;
        for (int t = 0; t < w.table()->count(); ++t)
            if (w.table()->row(t).block == 0) block += w.table()->row(t).klShare;
        ui::ModelTreeModel* tree = w->treePane()->model();
        QModelIndex node = tree->indexOfTarget(0);
        while (node.parent().isValid() && node.parent().data(ui::ModelTreeModel::BlockRole).toInt() == 0)
            node = node.parent();
        QCOMPARE(node.siblingAtColumn(ui::ModelTreeModel::KlShare).data().toString(),
                 ui::metricText(ui::Metric::KlShare, block * 100));
    }

    /// In the table, the inspector and the map, or nowhere.
    static void standInsAreTold(const WindowFixture& w, bool expected) {
        w->inspectPage()->heatMap()->setMetric(ui::Metric::KlShare);
        const ui::HeatMapWidget* map = w->inspectPage()->heatMap()->map();
        const auto marked = [&] {
            return std::count_if(map->data()->flags.begin(), map->data()->flags.end(),
                                 [](quint8 f) { return f & ui::kCellStandIn; });
        };
        QTRY_COMPARE(marked(), expected ? map->data()->flags.size() : 0);
        const QModelIndex cell = w->tensorsPane()->model()->index(0, ui::TensorTableModel::KlShare);
        const QString tip = cell.data(Qt::ToolTipRole).toString();
        QCOMPARE(tip.contains(u"stand-in"), expected);
        QCOMPARE(tip.contains(u"GPTQ needs a calibration"), expected);
        const auto rows = ui::describeScheme(w.table()->row(0));
        QCOMPARE(rows.back().key,
                 expected ? QStringLiteral("KL share, stand-in") : QStringLiteral("KL share"));
        QCOMPARE(rows.back().help.contains(u"rounded to nearest"), expected);
    }

private slots:
    void equalsRunningTheWholeModel() {
        const WindowHome home("kl-share");
        const WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        roundEverything(w, 3);
        app::KlShare* kl = w->inspectState()->klShare();
        QCOMPARE(kl->wanted().size(), w.table()->count());
        QVERIFY(w->treePane()->view()->isColumnHidden(ui::ModelTreeModel::KlShare));
        int partial = 0;
        QObject::connect(kl, &app::KlShare::changed, kl, [&] {
            int measured = 0;
            for (int t = 0; t < w.table()->count(); ++t)
                measured += !std::isnan(w.table()->row(t).klShare);
            partial += measured > 0 && measured < w.table()->count();
        });
        w.trigger("klShare");
        QVERIFY(kl->measuring());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        QVERIFY(partial > 0); // they came in one by one

        const Model& model = *w.session()->model();
        double sum = 0, shares = 0;
        for (int t = 0; t < w.table()->count(); ++t) {
            sum += w.table()->row(t).kl;
            shares += w.table()->row(t).klShare;
        }
        QVERIFY(std::abs(shares - 1) <= 1e-12);
        for (const int t : {0, 6, 11, w.table()->count() - 1}) {
            const double direct = klWith(model, t, roundedByHand(model, t, 3));
            const ui::TargetRow& row = w.table()->row(t);
            QVERIFY2(std::abs(row.kl - direct) <= 1e-3 * direct, qPrintable(row.module));
            QVERIFY(std::abs(row.klShare - direct / sum) <= 1e-3 * direct / sum);
            QVERIFY(!row.klStale);
        }
        everywhereShown(w);
    }

    void staysWhileTheSchemeDoes() {
        const WindowHome home("kl-stale");
        const WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        roundEverything(w, 4);
        app::KlShare* kl = w->inspectState()->klShare();
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        const double before = w.table()->row(2).kl;
        QCOMPARE(w.table()->edit({2}, SchemeEdit::codecParam("bits", 2LL)), QString());
        QCOMPARE(kl->wanted(), QVector<int>{2});
        QVERIFY(w.table()->row(2).klStale && !w.table()->row(3).klStale);
        QCOMPARE(w.table()->row(2).kl, before);
        // On the map its cell is marked, and only its.
        w->inspectPage()->heatMap()->setMetric(ui::Metric::KlShare);
        const ui::HeatMapWidget* map = w->inspectPage()->heatMap()->map();
        const auto stale = [&] {
            return std::count_if(map->data()->flags.begin(), map->data()->flags.end(),
                                 [](quint8 f) { return f & ui::kCellStale; });
        };
        QTRY_COMPARE(stale(), 1);
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        QVERIFY(w.table()->row(2).kl > 2 * before); // 2 bits instead of 4
        QTRY_COMPARE(stale(), 0);
        // Back to the scheme of another time: that value is gone, the present one belongs to 2 bits.
        w.session()->undoStack()->undo();
        QCOMPARE(kl->wanted(), QVector<int>{2});
    }

    /// Without a calibration GPTQ is stood in for by rounding; what a run wrote replaces it.
    void aRunReplacesStandIns() {
        const WindowHome home("kl-run");
        const WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        app::KlShare* kl = w->inspectState()->klShare();
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        standInsAreTold(w, true);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 8));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        QCOMPARE(kl->wanted().size(), w.table()->count()); // the method itself can be asked now
        standInsAreTold(w, true);
        w.trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run() && w.session()->run()->complete(), kLong);
        QCOMPARE(kl->wanted().size(), w.table()->count());
        QVERIFY(!w.table()->row(0).klStale); // the recipe is the same
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        const Model& model = *w.session()->model();
        const int target = 5;
        const auto tensor = w.session()->run()->tensor(model.targets()[size_t(target)].module);
        QS_VERIFY_OK(tensor);
        const auto codec = codecOf(*tensor);
        QS_VERIFY_OK(codec);
        const double direct = klWith(model, target, (*codec)->dequantize(*tensor));
        QVERIFY(std::abs(w.table()->row(target).kl - direct) <= 1e-6 * direct);
        standInsAreTold(w, false);
    }

    /// With a calibration the method itself is measured; another calibration makes that old.
    void theMethodsOwnValuesBelongToTheirCalibration() {
        const WindowHome home("kl-calibration");
        const WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        const auto calibrate = [&](int windows) {
            const auto before = w.session()->calibration();
            w.trigger("calibrate");
            QVERIFY(w.startDialog("calibrateDialog", 64, windows));
            QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration() != before, kLong);
        };
        calibrate(8);
        app::KlShare* kl = w->inspectState()->klShare();
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        standInsAreTold(w, false);
        calibrate(4);
        QCOMPARE(kl->wanted().size(), w.table()->count());
        QVERIFY(w.table()->row(3).klStale);
        calibrate(8); // the same as before, by its fingerprint
        QVERIFY(kl->wanted().isEmpty());
    }

    /// Saved, opened again: what was measured is there, for what it was measured for.
    void sharesAreKeptInTheSession() {
        const WindowHome home("kl-session");
        const QString file = home.folder + QStringLiteral("/kl.quantoscope");
        QVector<double> measured;
        {
            const WindowFixture w(home);
            w->openSample();
            QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
            roundEverything(w, 4);
            app::KlShare* kl = w->inspectState()->klShare();
            QVERIFY(kl->measure());
            QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
            for (int t = 0; t < w.table()->count(); ++t)
                measured << w.table()->row(t).kl;
            QCOMPARE(w.table()->edit({2}, SchemeEdit::codecParam("bits", 2LL)), QString());
            w.dialogs->answers = {file};
            w.trigger("saveSession");
            QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), file, kLong);
            QTRY_COMPARE_WITH_TIMEOUT(w.session()->pool()->activeCount(), 0, kLong);
            w->close();
        }
        {
            const WindowFixture w(home);
            w->openPath(file);
            QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), file, kLong);
            double sum = 0;
            for (const double v : measured)
                sum += v;
            for (int t = 0; t < w.table()->count(); ++t) {
                const ui::TargetRow& row = w.table()->row(t);
                QCOMPARE(row.kl, measured[t]);
                QVERIFY(std::abs(row.klShare - measured[t] / sum) <= 1e-12);
                QCOMPARE(row.klStale, t == 2);
            }
            QCOMPARE(w->inspectState()->klShare()->wanted(), QVector<int>{2});
            w->close();
        }
        // Of other weights they say nothing.
        QFile text(file);
        QVERIFY(text.open(QIODevice::ReadWrite));
        auto json = nlohmann::json::parse(text.readAll().toStdString());
        json["model"]["fingerprint"] = "0123456789abcdef";
        text.resize(0);
        text.write(QByteArray::fromStdString(json.dump()));
        text.close();
        const WindowFixture w(home);
        w->openPath(file);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), file, kLong);
        QVERIFY(std::isnan(w.table()->row(0).kl));
    }

    void whatIsMeasuredStaysWhenStopped() {
        const WindowHome home("kl-stop");
        const WindowFixture w(home);
        QVERIFY(!w->inspectState()->klShare()->blocker().isEmpty());
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        app::KlShare* kl = w->inspectState()->klShare();
        QVERIFY(kl->measure());
        QVERIFY(!kl->measure()); // one at a time
        const auto measured = [&] { return w.table()->count() - int(kl->wanted().size()); };
        QTRY_VERIFY_WITH_TIMEOUT(measured() > 0, kLong);
        kl->stop();
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring(), kLong);
        const int then = measured();
        QVERIFY(then > 0);
        double shares = 0;
        for (int t = 0; t < w.table()->count(); ++t)
            if (!std::isnan(w.table()->row(t).klShare)) shares += w.table()->row(t).klShare;
        QVERIFY(std::abs(shares - 1) <= 1e-12);
        QVERIFY(kl->measure());
        QTRY_VERIFY_WITH_TIMEOUT(!kl->measuring() && kl->wanted().isEmpty(), kLong);
        w.session()->closeModel();
        QCOMPARE(w.table()->count(), 0);
        QVERIFY(!kl->blocker().isEmpty());
    }
};

QS_TEST(KlShareTest)
#include "tst_kl_share.moc"
