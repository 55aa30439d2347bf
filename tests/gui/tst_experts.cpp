// SPDX-License-Identifier: GPL-3.0-or-later
// Mixtures of experts: one cell per role on the map of layers, a map of their own with the calibration's
// tokens, on a tiny Mixtral.
#include "app/bench/LargeModel.h"
#include "app/pages/ExpertsPane.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <QComboBox>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;
constexpr int kExperts = 4, kBlocks = 2, kTopK = 2; ///< tests/golden/arch/mixtral/config.json

QString mixtral() {
    return QString::fromStdString((sourceDir() / "tests/golden/arch/mixtral").string());
}

} // namespace

class Experts : public QObject {
    Q_OBJECT
private slots:
    void tokensOfTheRouter() {
        const WindowHome home("experts");
        const WindowFixture w(home);
        w->openPath(mixtral());
        app::Session* s = w.session();
        QTRY_VERIFY_WITH_TIMEOUT(s->model(), kLong);
        app::InspectPage* page = w->inspectPage();
        QVERIFY(page->isTabVisible(page->indexOf(page->experts())));
        // 4 of the attention, 3 of the experts.
        const auto layers = [page] { return page->heatMap()->map()->data(); };
        QTRY_VERIFY(layers() && layers()->rows() == 7);
        page->setCurrentWidget(page->experts());
        const auto* map = page->experts()->map();
        QTRY_VERIFY(map->data() && map->data()->rows() == kExperts);
        QCOMPARE(map->data()->columns(), kBlocks);
        QVERIFY(std::isnan(map->data()->value(0, 0))); // nothing was counted yet
        const QString file = calibrated(*s->model(), home);
        QVERIFY(!file.isEmpty());
        w->openPath(file);
        QTRY_VERIFY_WITH_TIMEOUT(s->calibration(), kLong);
        page->experts()->setMetric(ui::Metric::CalibrationTokens);
        QTRY_VERIFY(!std::isnan(map->data()->value(0, 0)));
        // Every token goes to topK experts of each block.
        const double tokens = double(s->calibration()->tokens().size());
        for (int b = 0; b < kBlocks; ++b) {
            double sum = 0;
            for (int e = 0; e < kExperts; ++e)
                sum += map->data()->value(e, b);
            QCOMPARE(sum, kTopK * tokens);
        }
        double shares = 0;
        for (const double v : map->data()->rowBars)
            shares += v;
        QVERIFY(std::abs(shares - 100) <= 1e-9);
    }

    /// A brushed cell of the layer map is all experts, of the expert map one of them.
    void selectionReachesTheExperts() {
        const WindowHome home("experts-selection");
        const WindowFixture w(home);
        w->openPath(mixtral());
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        auto* layers = w->inspectPage()->heatMap()->map();
        QTRY_VERIFY(layers->data() && layers->data()->rowLabels[4].endsWith(QStringLiteral("×4")));
        click(layers, 4, 1);
        QCOMPARE(w.session()->selection()->targets().size(), kExperts);
        for (const int t : w.session()->selection()->targets()) {
            QVERIFY(w.table()->row(t).expert >= 0);
            QCOMPARE(w.table()->row(t).block, 1);
        }
        w->setBits(3);
        const app::LayerGrid grid = app::LayerGrid::of(*w.table());
        const app::LayerPictureSpec spec{ui::Metric::BitsNow, app::CellText::Bits, {}};
        const app::LayerPicture bits = grid.picture(*w.table(), spec);
        QCOMPARE(bits.data->text(4, 1), QStringLiteral("3"));
        w->inspectPage()->setCurrentWidget(w->inspectPage()->experts());
        auto* experts = w->inspectPage()->experts()->map();
        QTRY_VERIFY(experts->data());
        click(experts, 2, 1);
        QCOMPARE(w.session()->selection()->targets().size(), 1);
        QCOMPARE(w.table()->row(w.session()->selection()->current()).expert, 2);
        w->setBits(8);
        // What changed drawn again, as if all were; what was drawn before stays.
        const app::LayerPicture changed =
            grid.picture(bits, w.session()->selection()->targets(), *w.table(), spec);
        const app::LayerPicture all = grid.picture(*w.table(), spec);
        QCOMPARE(bits.data->text(4, 1), QStringLiteral("3"));
        for (const app::LayerPicture& p : {changed, all}) {
            QCOMPARE(p.data->text(4, 1), QStringLiteral("3–8"));
            QCOMPARE(p.data->values, all.data->values);
            QCOMPARE(p.data->flags, all.data->flags);
            QCOMPARE(p.data->rowBars, all.data->rowBars);
        }
        QVERIFY(all.data->rowBars != bits.data->rowBars);
    }

    void modelsWithoutHaveNoTab() {
        const WindowHome home("experts-none");
        const WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QVERIFY(!w->inspectPage()->isTabVisible(w->inspectPage()->indexOf(w->inspectPage()->experts())));
    }

    /// The benchmark's model is what it says.
    void largeModelOpens() {
        const auto folder = scratchDir("large-model");
        const app::LargeModelShape shape{.layers = 3, .experts = 5, .hidden = 64, .intermediate = 32};
        QS_VERIFY_OK(app::writeLargeModel(folder, shape));
        const auto model = openModel(folder);
        QS_VERIFY_OK(model);
        QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
        QCOMPARE((*model)->checkpoint().tensors().size(), size_t(shape.tensors()));
        QCOMPARE((*model)->targets().size(), size_t(shape.linears()));
        QVERIFY(app::LargeModelShape().tensors() >= 100000);
        QCOMPARE(app::LargeModelShape().layers, 80);
    }

private:
    /// The golden model has no tokenizer: its tokens come from a file. "" when it fails.
    static QString calibrated(const Model& model, const WindowHome& home) {
        const auto tokens = windowsFromNpy((mixtral() + QStringLiteral("/tokens.npy")).toStdString());
        if (!tokens) return {};
        const QString file = home.folder + QStringLiteral("/tokens.h5");
        const auto backend = makeCpuBackend(2);
        const auto made = qs::calibrate(model, *tokens, {}, file.toStdString(), *backend, JobContext());
        return made ? file : QString();
    }
    static void click(ui::HeatMapWidget* map, int row, int column) {
        const QPoint at = map->currentLayout().cellRect(row, column).center().toPoint();
        QTest::mouseClick(map->viewport(), Qt::LeftButton, {}, at);
    }
};

QS_TEST(Experts)
#include "tst_experts.moc"
