// SPDX-License-Identifier: GPL-3.0-or-later
// The window program.
#include "app/MainWindow.h"
#include "app/bench/Bench.h"
#include "app/settings/Translations.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QTimer>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kNoDisplay = 2;

void printHint() {
    std::fputs(
        "quantoscope: no display was found (DISPLAY and WAYLAND_DISPLAY are not set, or cannot be reached).\n"
        "Use quantoscope-cli, which does the same work without a window, or set QT_QPA_PLATFORM=offscreen.\n",
        stderr);
}

/// Qt aborts when it cannot reach a display; a message and an exit code are kinder.
void onMessageWhileStarting(QtMsgType type, const QMessageLogContext&, const QString& message) {
    std::fprintf(stderr, "%s\n", qPrintable(message));
    if (type != QtFatalMsg) return;
    printHint();
    std::_Exit(kNoDisplay);
}

bool displayMayExist(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (QLatin1String(argv[i]) == QLatin1String("-platform")) return true;
#ifdef Q_OS_LINUX
    for (const char* name : {"QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"})
        if (!qEnvironmentVariableIsEmpty(name)) return true;
    return false;
#else
    return true;
#endif
}

} // namespace

int main(int argc, char** argv) {
    QCoreApplication::setApplicationName(QStringLiteral("quantoscope"));
    QCoreApplication::setApplicationVersion(QStringLiteral(QS_VERSION));
    QGuiApplication::setApplicationDisplayName(QString());
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("Desktop explorer for quantizing language models."));
    const QCommandLineOption help = parser.addHelpOption();
    const QCommandLineOption version = parser.addVersionOption();
    const QCommandLineOption sample(QStringLiteral("sample"),
                                    QStringLiteral("Open the model that comes with the program."));
    const QCommandLineOption bench(
        QStringLiteral("bench"),
        QStringLiteral("Measure frames, stalls and memory of the window, offscreen."));
    const QCommandLineOption json(
        QStringLiteral("json"),
        QStringLiteral("With --bench: the results as one JSON object in the last line."));
    parser.addOptions({sample, bench, json});
    parser.addPositionalArgument(QStringLiteral("model"),
                                 QStringLiteral("Model folder or file, or a run folder."),
                                 QStringLiteral("[model]"));
    // Before there is an application: these two need no display.
    QStringList early;
    for (int i = 0; i < argc; ++i)
        early << QString::fromLocal8Bit(argv[i]);
    const bool understood = parser.parse(early);
    if (understood && parser.isSet(version)) {
        std::printf("quantoscope %s\n", QS_VERSION);
        return 0;
    }
    if (understood && parser.isSet(help)) {
        std::fputs(qPrintable(parser.helpText() + QStringLiteral("\n--bench:\n") + qs::app::benchHelp()),
                   stdout);
        return 0;
    }
    if (understood && parser.isSet(bench)) return qs::app::runBench(argc, argv, {parser.isSet(json)});
    if (!displayMayExist(argc, argv)) {
        printHint();
        return kNoDisplay;
    }

    const auto usual = qInstallMessageHandler(onMessageWhileStarting);
    QApplication app(argc, argv);
    qInstallMessageHandler(usual);
    QGuiApplication::setDesktopFileName(QStringLiteral("quantoscope"));
    if (!parser.parse(QCoreApplication::arguments()) || parser.positionalArguments().size() > 1) {
        std::fprintf(stderr, "%s\n%s", qPrintable(parser.errorText()), qPrintable(parser.helpText()));
        return 2;
    }
    qs::app::installTranslations(app);
    qs::ui::applyTheme(app, qs::app::Settings().themeMode());
    qs::app::MainWindow window;
    // Files are whole at any moment; a thread that does not answer must not keep the process.
    QObject::connect(&window, &qs::app::MainWindow::closedWhileBusy, &app, [] { std::_Exit(0); });
    window.show();
    QTimer::singleShot(0, &window, [&] {
        if (!parser.positionalArguments().isEmpty())
            window.openPath(parser.positionalArguments().front());
        else if (parser.isSet(sample))
            window.openSample();
    });
    return QApplication::exec();
}
