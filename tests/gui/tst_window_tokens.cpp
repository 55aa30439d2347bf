// SPDX-License-Identifier: GPL-3.0-or-later
// The Tokens tab on the sample model: the views alone name the outlier channels that were put into it.
#include "app/pages/InspectPage.h"
#include "app/pages/OutliersPane.h"
#include "app/pages/TokenListsPane.h"
#include "app/pages/TokenMapPane.h"
#include "app/pages/TokensPage.h"
#include "app/pages/TracerPane.h"
#include "core/model/forward.h"
#include "core/model/weights.h"
#include "tests/gui/WindowFixture.h"

#include <QComboBox>
#include <QPushButton>
#include <QTableView>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000; ///< ms; the machine may be busy
}

class WindowTokens : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-tokens");
        m_window = std::make_unique<WindowFixture>(*m_home);
        m_window->window->resize(1600, 1000);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        m_window->trigger("openSample");
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(m_window->session()->scannedCount(), m_window->table()->count(), kLong);
    }
    void cleanupTestCase() { m_window.reset(); }

    void hiddenPageAsksNothing() {
        QVERIFY(!page()->probe()->map());
        QVERIFY(!page()->probe()->busy());
    }

    void massiveActivationsAreTheInjectedChannels() {
        select("q", 0);
        m_window->window->inspectPage()->showTokens();
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.0.attn"), kLong);
        QTRY_VERIFY_WITH_TIMEOUT(page()->probe()->trace() && page()->probe()->trace()->complete, kLong);
        QCOMPARE(massiveChannels(), (QSet<int>{56, 40, 179})); // resources/sample/README.md, block 0
        const auto* map = page()->mapPane()->map();
        QVector<int> marks = map->data()->outlierChannels;
        std::sort(marks.begin(), marks.end());
        QCOMPARE(marks, (QVector<int>{40, 56, 179}));
        QCOMPARE(map->data()->tokenCount(), 256);
        QCOMPARE(map->data()->tokens.value(0), QStringLiteral("<|bos|>"));
        // The largest is looked at first.
        const QModelIndex first = page()->lists()->massiveView()->model()->index(0, 0);
        QCOMPARE(map->crosshair(), QPoint(first.data(app::TokenListsPane::ChannelRole).toInt(),
                                          first.data(app::TokenListsPane::TokenRole).toInt()));
        QCOMPARE(map->crosshair().x(), 56);
    }

    /// The map's numbers against a forward pass of the test's own.
    void valuesAreTheModelsOwn() {
        const auto model = m_window->session()->model();
        const auto window = page()->probe()->tokens();
        const auto weights = modelWeights(*model);
        const auto backend = makeCpuBackend(2);
        auto forward = Forward::create(model->spec(), *backend, window->ids.size());
        QS_VERIFY_OK(forward);
        auto hidden = ActivationStore::create(window->ids.size(), model->spec().hidden, SIZE_MAX);
        QS_VERIFY_OK(hidden);
        QS_VERIFY_OK(forward->embed(window->ids, *weights, *hidden));
        const auto gain = weights->matrix("model.layers.0.input_layernorm.weight");
        QS_VERIFY_OK(gain);
        const auto& values = *page()->mapPane()->map()->data()->values;
        for (const int t : {0, 17, 255}) {
            const ConstMatrixView x = *hidden->values(size_t(t), 1);
            double square = 0;
            for (size_t c = 0; c < x.cols; ++c)
                square += double(x(0, c)) * double(x(0, c));
            const double rms = std::sqrt(square / double(x.cols) + 1e-5);
            for (const int c : {0, 40, 56, 179, 255}) {
                const double expected = double(x(0, size_t(c))) / rms * double(gain->data()[c]);
                QVERIFY(std::fabs(double(values.value(t, c)) - expected) <=
                        1e-4 * std::max(1.0, std::fabs(expected)));
            }
        }
    }

    void siteFollowsTheTensorAndTheChoice() {
        select("up", 2);
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.2.mlp"), kLong);
        QCOMPARE(massiveChannels(), (QSet<int>{210, 24, 109})); // block 2
        auto* site = m_window->find<QComboBox>("tokenSite");
        const int residual = site->findData(QStringLiteral("layers.1.residual"));
        QVERIFY(residual > 0);
        site->setCurrentIndex(residual);
        emit site->activated(residual);
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.1.residual"), kLong);
        QVERIFY(massiveChannels().isEmpty()); // the norms make them, the stream has none
        select("down", 1);                    // the choice stays
        QTest::qWait(100);
        QVERIFY(mapIs("layers.1.residual"));
        site->setCurrentIndex(0);
        emit site->activated(0);
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.1.down"), kLong);
        const QSet<int> down = massiveChannels();
        QVERIFY(down.contains(625) && down.contains(556));
    }

    void tracerNamesTheNormThatAmplifies() {
        // Proposed without being asked: channels that a norm multiplies.
        const QVector<int> proposed = page()->probe()->channels();
        QCOMPARE(proposed.size(), 3);
        for (const int c : proposed)
            QVERIFY2((QSet<int>{56, 40, 179, 210, 24, 109}).contains(c), qPrintable(QString::number(c)));
        select("up", 2);
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.2.mlp"), kLong);
        m_window->window->inspectState()->setChannel(210);
        QTRY_COMPARE(page()->mapPane()->map()->crosshair().x(), 210);
        m_window->trigger("trace");
        QVERIFY(page()->probe()->channels().contains(210));
        QCOMPARE(page()->tracerPane()->chart()->currentChannel(), 210);
        const auto data = page()->tracerPane()->chart()->data();
        QCOMPARE(data->pointCount, 10);
        const auto line = std::find_if(data->lines.begin(), data->lines.end(),
                                       [](const ui::TracerLine& l) { return l.channel == 210; });
        QVERIFY(line != data->lines.end());
        QCOMPARE(line->value.size(), 10);
        QVERIFY(line->amplifiedText.contains(QStringLiteral("block 2")));
        QCOMPARE(line->born, -1);
        // The norm in front of block 2 makes it at least 50 times larger than the stream's own value.
        QVERIFY(line->normed[5] > 20 * line->value[4]);
    }

    void crosshairAndProfileAreOne() {
        auto* map = page()->mapPane()->map();
        map->setFocus();
        map->setCrosshair({100, 20});
        QTest::keyClick(map, Qt::Key_Right);
        QCOMPARE(m_window->window->inspectState()->channel(), 101);
        m_window->window->inspectState()->setChannel(24);
        QCOMPARE(map->crosshair().x(), 24);
        // At the token where the channel is largest.
        const auto& values = *map->data()->values;
        for (int t = 0; t < values.tokens(); ++t)
            QVERIFY(std::fabs(values.value(t, 24)) <= std::fabs(values.value(map->crosshair().y(), 24)));
    }

    void traceFromTheOutlierTable() {
        m_window->window->inspectPage()->setCurrentIndex(0);
        select("q", 3);
        m_window->window->inspectState()->setChannel(179);
        m_window->trigger("trace");
        QVERIFY(page()->isVisible());
        QVERIFY(page()->probe()->channels().contains(179));
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.3.attn"), kLong);
        QTRY_COMPARE(page()->mapPane()->map()->crosshair().x(), 179);
        // A channel inside the feed-forward layer is none of the stream: shown, and said.
        m_window->window->inspectPage()->setCurrentIndex(0);
        select("down", 3);
        m_window->window->inspectState()->setChannel(671);
        m_window->trigger("trace");
        QVERIFY(!page()->probe()->channels().contains(671));
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.3.down"), kLong);
        QTRY_COMPARE(page()->mapPane()->map()->crosshair().x(), 671);
        QVERIFY(massiveChannels().contains(671));
    }

    void whatIfIsMeasuredAndKeepIsOneStep() {
        auto* lists = page()->lists();
        QVERIFY(lists->superView()->model()->rowCount() > 0);
        lists->superView()->selectRow(0);
        const DownSpike spike = page()->probe()->spikes().front();
        QVERIFY(!isSuperWeight(spike, page()->probe()->rule())); // the sample has none
        auto* measure = m_window->find<QPushButton>("measureWhatIf");
        QVERIFY(measure->isEnabled());
        measure->click();
        QTRY_VERIFY_WITH_TIMEOUT(page()->probe()->answer(), kLong);
        const app::WhatIfAnswer& answer = *page()->probe()->answer();
        QCOMPARE(answer.module, spike.module);
        QCOMPARE(answer.result.tokens, uint64_t(255));
        QCOMPARE(answer.result.after.size(), size_t(3)); // zero, round, round the rest
        QVERIFY(answer.result.loss > 1 && answer.result.loss < 5);
        for (const WhatIf& w : answer.result.after)
            QVERIFY(w.kl >= 0 && w.kl < 1);
        // One weight of 196 608 matters less than rounding all of them to 4 bits.
        QVERIFY(answer.result.after[0].kl < answer.result.after[1].kl);

        const int target = m_window->table()->indexOf(QString::fromStdString(spike.module));
        QVERIFY(m_window->table()->row(target).hasScheme());
        const int before = m_window->session()->undoStack()->index();
        m_window->find<QPushButton>("keepWhatIf")->click();
        QVERIFY(!m_window->table()->row(target).hasScheme());
        QCOMPARE(m_window->session()->undoStack()->index(), before + 1);
        QVERIFY(!m_window->find<QPushButton>("keepWhatIf")->isEnabled());
        m_window->trigger("undo");
        QVERIFY(m_window->table()->row(target).hasScheme());
        m_window->find<QPushButton>("openWhatIf")->click();
        QCOMPARE(m_window->session()->selection()->current(), target);
        QCOMPARE(m_window->window->inspectState()->channel(), int(spike.row));
    }

    void otherWindowOtherTokens() {
        const auto before = page()->probe()->tokens();
        page()->probe()->setWindow(3);
        QTRY_VERIFY_WITH_TIMEOUT(page()->probe()->tokens() && page()->probe()->trace() &&
                                     page()->probe()->trace()->complete,
                                 kLong);
        QCOMPARE(page()->probe()->tokens()->index, 3);
        QVERIFY(page()->probe()->tokens()->ids != before->ids);
        QCOMPARE(page()->probe()->trace()->received.rows(), size_t(4));
    }

    void ruleChangesTheList() {
        select("q", 0);
        QTRY_VERIFY_WITH_TIMEOUT(mapIs("layers.0.attn"), kLong);
        auto* rule = m_window->find<QComboBox>("massiveRule");
        rule->setCurrentIndex(2);
        emit rule->activated(2);
        QTRY_VERIFY_WITH_TIMEOUT(massiveChannels().isEmpty(), kLong); // no value is 1000 times the median
        rule->setCurrentIndex(0);
        emit rule->activated(0);
        QTRY_VERIFY_WITH_TIMEOUT(!massiveChannels().isEmpty(), kLong);
    }

    void narrowPageHasTheListsBehindAButton() {
        auto* lists = m_window->find<QPushButton>("toTokenLists");
        auto* map = m_window->find<QPushButton>("toTokenMap");
        QVERIFY(page()->lists()->isVisible() && !lists->isVisible() && !map->isVisible());
        m_window->window->resize(1100, 700);
        QTRY_VERIFY(lists->isVisible());
        QVERIFY(page()->mapPane()->isVisible() && !page()->lists()->isVisible());
        lists->setFocus();
        QTest::keyClick(lists, Qt::Key_Space);
        QVERIFY(page()->lists()->massiveView()->isVisible() && !page()->mapPane()->isVisible());
        QVERIFY(map->hasFocus());
        page()->lists()->massiveView()->selectRow(1);
        QTest::keyClick(map, Qt::Key_Space);
        QVERIFY(page()->mapPane()->isVisible() && !page()->lists()->isVisible());
        const QModelIndex chosen = page()->lists()->massiveView()->model()->index(1, 0);
        QCOMPARE(page()->mapPane()->map()->crosshair().x(),
                 chosen.data(app::TokenListsPane::ChannelRole).toInt());
        m_window->window->resize(1600, 1000);
        QTRY_VERIFY(page()->lists()->isVisible() && page()->mapPane()->isVisible());
    }

    void closingTheModelEmptiesThePage() {
        m_window->trigger("close");
        QVERIFY(!page()->probe()->map());
        QVERIFY(page()->mapPane()->map()->data()->empty());
    }

private:
    app::TokensPage* page() const { return m_window->window->inspectPage()->tokens(); }
    void select(const char* role, int block) const {
        for (int t = 0; t < m_window->table()->count(); ++t)
            if (m_window->table()->row(t).role == QLatin1String(role) &&
                m_window->table()->row(t).block == block)
                m_window->session()->selection()->selectOne(t);
    }
    bool mapIs(const char* site) const {
        const auto map = page()->probe()->map();
        return map && map->site == site;
    }
    QSet<int> massiveChannels() const {
        QSet<int> found;
        const QAbstractItemModel* model = page()->lists()->massiveView()->model();
        for (int r = 0; r < model->rowCount(); ++r)
            found.insert(model->index(r, 0).data(app::TokenListsPane::ChannelRole).toInt());
        return found;
    }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowTokens)
#include "tst_window_tokens.moc"
