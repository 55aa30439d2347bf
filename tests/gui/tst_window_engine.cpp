// SPDX-License-Identifier: GPL-3.0-or-later
// What the engine computes with, chosen in the window: the device and the precision, remembered.
#include "tests/gui/WindowFixture.h"

#include <QMenu>

using namespace qs;
using namespace qs::test;

class WindowEngine : public QObject {
    Q_OBJECT
    static bool engineSays(const WindowFixture& w, const QString& text, bool present = true) {
        return QTest::qWaitFor(
            [&] {
                const QString d = w.session()->engine()->backendDescription();
                return !d.isEmpty() && d.contains(text) == present;
            },
            30000);
    }
private slots:
    void precisionIsChosenAndRemembered() {
        const WindowHome home("window-engine");
        {
            WindowFixture w(home);
            QVERIFY(engineSays(w, QStringLiteral("bf16"), false));
            QVERIFY(w->action(QStringLiteral("precision-f32"))->isChecked());
            w.trigger("precision-bf16");
            QVERIFY(engineSays(w, QStringLiteral("bf16")));
            QVERIFY(w->action(QStringLiteral("precision-bf16"))->isChecked());
            QVERIFY(!w->action(QStringLiteral("precision-f32"))->isChecked());
            w.trigger("device-cpu");
            QVERIFY(engineSays(w, QStringLiteral("CPU")));
        }
        WindowFixture again(home);
        QVERIFY(engineSays(again, QStringLiteral("bf16")));
        QVERIFY(again->action(QStringLiteral("device-cpu"))->isChecked());
        again.trigger("precision-f32");
        QVERIFY(engineSays(again, QStringLiteral("bf16"), false));
    }

    // The jobs before the change end on the backend that they began on, those after it have the new one.
    void jobsKeepTheirBackend() {
        const WindowHome home("window-engine-jobs");
        WindowFixture w(home);
        std::vector<Precision> seen;
        std::mutex mutex;
        const auto look = [&](const app::JobScope& scope) -> app::Outcome {
            const std::lock_guard lock(mutex);
            seen.push_back(scope.backend().precision());
            return app::Outcome::from(Result<void>());
        };
        w.session()->engine()->post({{}, QStringLiteral("before")}, look);
        w.trigger("precision-bf16");
        app::JobHandle* after = w.session()->engine()->post({{}, QStringLiteral("after")}, look);
        bool done = false;
        after->then(w.window.get(), [&](const app::Outcome&) { done = true; });
        QVERIFY(QTest::qWaitFor([&] { return done; }, 30000));
        QCOMPARE(seen, (std::vector<Precision>{Precision::F32, Precision::BF16}));
    }

    // Devices that are not there are shown with the reason, and cannot be chosen.
    void devicesAreListed() {
        const WindowHome home("window-engine-devices");
        WindowFixture w(home);
        auto* menu = w->findChild<QMenu*>(QStringLiteral("engineMenu"));
        QVERIFY(menu);
        const int before = int(menu->actions().size());
        emit menu->aboutToShow();
        int others = 0;
        for (const BackendInfo& b : listBackends())
            others += b.id != "cpu";
        QVERIFY(QTest::qWaitFor([&] { return menu->actions().size() == before + others; }, 30000));
        emit menu->aboutToShow(); // not twice
        QTest::qWait(50);
        QCOMPARE(int(menu->actions().size()), before + others);
        for (const BackendInfo& b : listBackends()) {
            const QAction* a = w->action(QStringLiteral("device-") + QString::fromStdString(b.id));
            QVERIFY(a);
            QCOMPARE(a->isEnabled(), b.available);
            if (!b.available) QCOMPARE(a->toolTip(), QString::fromStdString(b.reason));
        }
    }
};

QS_TEST(WindowEngine)
#include "tst_window_engine.moc"
