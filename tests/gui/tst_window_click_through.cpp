// SPDX-License-Identifier: GPL-3.0-or-later
// One session as a user has it, on the sample model and the real engine: everything is found, read and
// changed through what the views show. Finds the outlier channels that were put into the sample, follows one,
// quantizes to 2 bits, lets the views name the layer that hurts most, applies its card's option, and sees the
// KL divergence fall.
#include "app/pages/EvaluationModel.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/JudgePage.h"
#include "app/pages/TokenListsPane.h"
#include "app/pages/TokensPage.h"
#include "app/pages/TracerPane.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/models/Metric.h"
#include "widgets/views/LayerCard.h"
#include "widgets/views/ToolRow.h"

#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <map>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using app::EvaluationModel;

namespace {

constexpr int kLong = 180000; ///< ms; the machine may be busy

/// Where the sample's README says that channels were made large: (role, block) to channels.
using Injected = std::map<std::pair<QString, int>, QSet<int>>;

Injected injectedChannels() {
    Injected out;
    QFile file(
        QString::fromStdString((sourceDir() / "resources/sample/reference/injected_outliers.json").string()));
    if (!file.open(QIODevice::ReadOnly)) return out;
    const std::map<std::string, QStringList> roles = {
        {"qkv", {"q", "k", "v"}}, {"gate_up", {"gate", "up"}}, {"down", {"down"}}};
    const auto json = nlohmann::json::parse(file.readAll().toStdString());
    for (const auto& site : json["sites"])
        for (const QString& role : roles.at(site["site"]))
            for (const auto& c : site["channels"])
                out[{role, site["block"].get<int>()}] << c["channel"].get<int>();
    return out;
}

} // namespace

class WindowClickThrough : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-click-through");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        m_injected = injectedChannels();
        QCOMPARE(m_injected.size(), size_t(4 * 3 + 4 * 2 + 2));
    }
    void cleanupTestCase() { m_window.reset(); }

    void openTheSample() {
        m_window->find<QPushButton>("welcomeSample")->click();
        QTRY_VERIFY_WITH_TIMEOUT(map()->data() && map()->data()->rows() == 7, kLong);
        QTRY_VERIFY_WITH_TIMEOUT(worstCell().x() >= 0, kLong); // the weights are read by themselves
    }

    /// The metric says what is missing, the profile has the button.
    void calibrateFromTheProfile() {
        chooseMetric(ui::Metric::OutlierRatioActivations);
        QCOMPARE(worstCell(), QPoint(-1, -1));
        auto* calibrate = m_window->find<QPushButton>("profileCalibrate");
        QVERIFY(calibrate->isVisible());
        calibrate->click();
        QVERIFY(m_window->startDialog("calibrateDialog", 256, 32));
        QTRY_VERIFY_WITH_TIMEOUT(worstCell().x() >= 0, kLong);
        QVERIFY(!calibrate->isVisible());
    }

    /// The cells that stand out in the map are those of the injected sites, no more and no less, and the list
    /// of each names the channels.
    void theOverviewLeadsToTheChannels() {
        Injected found;
        const auto data = map()->data();
        for (int row = 0; row < data->rows(); ++row)
            for (int block = 0; block < data->columns(); ++block)
                if (data->value(row, block) >= 12) found[{data->rowLabels[row], block}];
        QCOMPARE(found.size(), m_injected.size());
        for (auto& [place, channels] : found) {
            clickCell(place.first, place.second);
            QTRY_VERIFY(m_window->find<QWidget>("inspectorName")->isVisible());
            QTRY_COMPARE(shownChannels(), m_injected[place]);
            channels = shownChannels();
        }
        QVERIFY(found == m_injected);
    }

    /// From the list to the stream: channel 210 is what the norm in front of block 2 makes of it.
    void traceOne() {
        clickCell(QStringLiteral("up"), 2);
        QTRY_COMPARE(shownChannels(), (QSet<int>{210, 24, 109}));
        auto* list = m_window->find<QTableView>("outlierTable");
        QCOMPARE(list->model()->index(0, 0).data().toString(), QStringLiteral("210")); // the largest first
        list->setFocus();
        QTest::keyClick(list, Qt::Key_Down);
        list->selectRow(0);
        m_window->trigger("trace");
        auto* page = (*m_window)->inspectPage()->tokens();
        QVERIFY(page->isVisible());
        const auto line = [page]() -> const ui::TracerLine* {
            for (const ui::TracerLine& l : page->tracerPane()->chart()->data()->lines)
                if (l.channel == 210) return &l;
            return nullptr;
        };
        QTRY_VERIFY_WITH_TIMEOUT(line() && line()->value.size() == 10, kLong);
        QCOMPARE(page->tracerPane()->chart()->currentChannel(), 210);
        QVERIFY2(line()->amplifiedText.contains(u"block 2, norm before"), qPrintable(line()->amplifiedText));
        // It is large behind the norms of block 2 alone: the stream itself is as elsewhere.
        QVERIFY(line()->normed[5] > 20 * line()->value[4]);
        QVERIFY(line()->normed[3] < 5 * line()->value[2]);
        // The same channel heads the list of massive activations of that site.
        const QAbstractItemModel* massive = page->lists()->massiveView()->model();
        QTRY_VERIFY_WITH_TIMEOUT(massive->rowCount() > 0, kLong);
        QCOMPARE(massive->index(0, 0).data(app::TokenListsPane::ChannelRole).toInt(), 210);
    }

    void quantizeToTwoBits() {
        (*m_window)->inspectPage()->setCurrentIndex(0);
        map()->setFocus();
        QTest::keyClick(map(), Qt::Key_A, Qt::ControlModifier);
        QTest::keyClick(map(), Qt::Key_2);
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (m_window->table()->row(t).block >= 0) QCOMPARE(m_window->table()->row(t).info->bits, 2);
        QVERIFY(runIt());
        QVERIFY(evaluateIt());
        m_klBefore = kl('B');
        QVERIFY2(m_klBefore > 0.05, qPrintable(QString::number(m_klBefore)));
        qInfo("2 bits everywhere: KL %.4f", m_klBefore);
    }

    /// The map of output errors names the layer, the card the way out.
    void fixTheLayerThatHurts() {
        (*m_window)->setWorkspace(app::Workspace::Inspect);
        chooseMetric(ui::Metric::OutputError);
        const QPoint worst = worstCell();
        QVERIFY(worst.x() >= 0);
        const QString role = map()->data()->rowLabels[worst.y()];
        qInfo("worst: %s of block %d, output error %.1f %%", qPrintable(role), worst.x(),
              map()->data()->value(worst.y(), worst.x()));
        clickCell(role, worst.x());
        const auto* name = m_window->find<QLabel>("inspectorName");
        QTRY_VERIFY(name->text().contains(role + QStringLiteral("_proj")) &&
                    name->text().endsWith(QStringLiteral("block %1").arg(worst.x())));
        auto* card = m_window->find<ui::LayerCard>("layerCard");
        const auto keep = [card]() -> QPushButton* {
            for (int i = 0; QPushButton* b = card->button(i); ++i)
                if (b->isVisible() && b->text().contains(u"Keep in")) return b;
            return nullptr;
        };
        QTRY_VERIFY_WITH_TIMEOUT(keep(), kLong);
        const int t = m_window->session()->selection()->current();
        QCOMPARE(m_window->table()->row(t).role, role);
        QCOMPARE(m_window->table()->row(t).block, worst.x());
        auto* hint = (*m_window)->inspectPage()->heatMap()->findChild<ui::HintStrip*>();
        const QImage nothingStale = hint->grab().toImage();
        keep()->click();
        QVERIFY(!m_window->table()->row(t).hasScheme());
        const auto shown = [&] {
            return map()->data()->cellTexts.value(worst.y() * map()->data()->columns() + worst.x());
        };
        QTRY_COMPARE(shown(), QStringLiteral("16"));
        QVERIFY(hint->grab().toImage() != nothingStale); // now there is a mark to explain
    }

    void andSeeTheDivergenceFall() {
        QVERIFY(runIt());
        QVERIFY(evaluateIt());
        const double after = kl('C');
        qInfo("that layer kept: KL %.4f, was %.4f", after, kl('B'));
        QCOMPARE(kl('B'), m_klBefore); // the same text, measured again
        QVERIFY2(after < m_klBefore, qPrintable(QString::number(after)));
        // Judge holds the others against the newest: B is the worse one, beyond doubt.
        const EvaluationModel* model = (*m_window)->judgePage()->model();
        const QModelIndex against = model->index(model->rowOf('B'), EvaluationModel::Against);
        QTRY_VERIFY2_WITH_TIMEOUT(against.data().toString().startsWith(u"C is better"),
                                  qPrintable(against.data().toString()), kLong);
    }

private:
    ui::HeatMapWidget* map() const { return (*m_window)->inspectPage()->heatMap()->map(); }

    void chooseMetric(ui::Metric metric) const {
        auto* combo = m_window->find<QComboBox>("metric");
        combo->setCurrentText(ui::metricInfo(metric).label);
        QTest::qWait(100);
    }
    /// (column, row) of the largest value shown; (-1, -1) when nothing is.
    QPoint worstCell() const {
        QPoint worst(-1, -1);
        const auto data = map()->data();
        double most = -INFINITY;
        for (int row = 0; data && row < data->rows(); ++row)
            for (int column = 0; column < data->columns(); ++column)
                if (data->value(row, column) > most) {
                    most = data->value(row, column);
                    worst = {column, row};
                }
        return worst;
    }
    void clickCell(const QString& role, int block) const {
        const int row = int(map()->data()->rowLabels.indexOf(role));
        QVERIFY(row >= 0);
        const QPoint at = map()->currentLayout().cellRect(row, block).center().toPoint();
        QVERIFY(map()->viewport()->rect().contains(at));
        QTest::mouseClick(map()->viewport(), Qt::LeftButton, {}, at);
    }
    /// First column of the list of outlier channels.
    QSet<int> shownChannels() const {
        QSet<int> out;
        const auto* list = m_window->find<QTableView>("outlierTable");
        for (int r = 0; list->isVisible() && r < list->model()->rowCount(); ++r)
            out << list->model()->index(r, 0).data().toInt();
        return out;
    }
    bool runIt() const {
        const auto before = m_window->session()->run();
        if (!m_window->enabled("run")) return false;
        m_window->trigger("run");
        return QTest::qWaitFor(
            [&] {
                const auto run = m_window->session()->run();
                return run && run != before && run->complete() && !m_window->session()->running();
            },
            kLong);
    }
    bool evaluateIt() const {
        const auto before = m_window->session()->evaluation();
        m_window->trigger("evaluate");
        if (!m_window->startDialog("evaluateDialog", 64, 32)) return false;
        const bool done = QTest::qWaitFor(
            [&] { return m_window->session()->evaluation() && m_window->session()->evaluation() != before; },
            kLong);
        (*m_window)->setWorkspace(app::Workspace::Judge);
        return done;
    }
    /// What the table of runs shows.
    double kl(char letter) const {
        const EvaluationModel* model = (*m_window)->judgePage()->model();
        const QModelIndex cell = model->index(model->rowOf(letter), EvaluationModel::Kl);
        bool number = false;
        const double value =
            QLocale().toDouble(cell.data().toString().section(QLatin1Char(' '), 0, 0), &number);
        return number ? value : NAN;
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
    Injected m_injected;
    double m_klBefore = 0;
};

QS_TEST(WindowClickThrough)
#include "tst_window_click_through.moc"
