// SPDX-License-Identifier: GPL-3.0-or-later
// A real window on the real engine, with its own settings and cache, driven from tests.
#pragma once

#include "app/MainWindow.h"
#include "app/bench/StallWatch.h"
#include "app/dialogs/TextDialogs.h"
#include "app/pages/MessageBar.h"
#include "tests/support/forwarding_backend.h"
#include "tests/support/qs_test.h"

#include <QSpinBox>
#include <QTimer>
#include <deque>
#include <thread>

namespace qs::test {

/// The CPU backend, with every factorization held up for a moment: a run of the small sample would be over
/// before a test could press Stop.
class SlowBackend : public ForwardingBackend {
public:
    explicit SlowBackend(int milliseconds) : ForwardingBackend(2), m_pause(milliseconds) {}
    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                                                     std::span<const double> diagonal) override {
        std::this_thread::sleep_for(std::chrono::milliseconds(m_pause));
        return ForwardingBackend::upperFactor(sigma, order, diagonal);
    }

private:
    int m_pause;
};

/// Answers file questions from a list.
class ScriptedDialogs : public app::FileDialogs {
public:
    std::deque<QString> answers;
    std::vector<app::FileQuestion> asked;
    void ask(QWidget* parent, const app::FileQuestion& question, Answer answer) override {
        asked.push_back(question);
        if (answers.empty()) return; // the user cancels
        const QString path = answers.front();
        answers.pop_front();
        QMetaObject::invokeMethod(
            parent, [answer, path] { answer(path); }, Qt::QueuedConnection);
    }
};

using app::StallWatch;

/// Where a window keeps its things; shared by several windows of one test.
struct WindowHome {
    explicit WindowHome(const char* name) : folder(QString::fromStdString(scratchDir(name).string())) {}
    QString folder;
    QString settings() const { return folder + QStringLiteral("/settings.ini"); }
    QString cache() const { return folder + QStringLiteral("/cache"); }
};

class WindowFixture {
public:
    explicit WindowFixture(const WindowHome& home, int pauseMs = 0) {
        ui::applyTheme(*qApp, app::Settings(home.settings()).themeMode()); // as main() does
        app::WindowOptions options;
        options.session.cacheDirectory = home.cache();
        options.session.backend = [pauseMs]() -> Result<std::unique_ptr<Backend>> {
            return std::unique_ptr<Backend>(std::make_unique<SlowBackend>(pauseMs));
        };
        options.settingsFile = home.settings();
        options.autosaveMs = 100;
        auto scripted = std::make_unique<ScriptedDialogs>();
        dialogs = scripted.get();
        options.dialogs = std::move(scripted);
        window = std::make_unique<app::MainWindow>(std::move(options));
        window->show();
    }
    app::MainWindow* operator->() const { return window.get(); }
    app::Session* session() const { return window->session(); }
    app::SchemeTable* table() const { return window->session()->table(); }
    void trigger(const char* action) const { window->action(QString::fromLatin1(action))->trigger(); }
    bool enabled(const char* action) const {
        return window->action(QString::fromLatin1(action))->isEnabled();
    }
    template<class T>
    T* find(const char* name) const {
        return window->findChild<T*>(QString::fromLatin1(name));
    }
    /// Fills in the text dialog that is open and starts it.
    bool startDialog(const char* name, int length, int windows) const {
        auto* dialog = find<app::TextDialog>(name);
        if (!dialog) return false;
        dialog->findChild<QSpinBox*>(QStringLiteral("windowLength"))->setValue(length);
        dialog->findChild<QSpinBox*>(QStringLiteral("windows"))->setValue(windows);
        auto* start = dialog->findChild<QPushButton*>(QStringLiteral("start"));
        if (!QTest::qWaitFor([&] { return start->isEnabled(); }, 30000)) return false;
        start->click();
        return true;
    }

    ScriptedDialogs* dialogs = nullptr;
    std::unique_ptr<app::MainWindow> window;
};

} // namespace qs::test
