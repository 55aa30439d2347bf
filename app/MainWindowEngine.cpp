// SPDX-License-Identifier: GPL-3.0-or-later
// What the engine computes with: the device and the precision of its products.
#include "app/MainWindow.h"

#include <QActionGroup>
#include <QMenu>

namespace qs::app {

void MainWindow::makeEngineMenu(QMenu* runs) {
    runs->addSeparator();
    m_engineMenu = runs->addMenu(tr("Compute &with"));
    m_engineMenu->setObjectName(QStringLiteral("engineMenu"));
    m_engineMenu->setToolTipsVisible(true);
    m_devices = new QActionGroup(this);
    m_precisions = new QActionGroup(this);
    addDevice(QStringLiteral("auto"), tr("The &fastest device"), tr("Ctrl+Alt+4"));
    addDevice(QStringLiteral("cpu"), tr("The &processor"), tr("Ctrl+Alt+5"));
    m_engineMenu->addSeparator();
    addPrecision(Precision::F32, tr("Products in f&loat32"), tr("Ctrl+Alt+6"));
    addPrecision(Precision::BF16, tr("Products in &bfloat16, sums in float32"), tr("Ctrl+Alt+7"));
    connect(m_engineMenu, &QMenu::aboutToShow, this, &MainWindow::findDevices);
    const bool usual =
        m_settings.device() == QLatin1String("auto") && m_settings.precision() == Precision::F32;
    if (!usual) useEngine();
}

QAction* MainWindow::addDevice(const QString& id, const QString& text, const QKeySequence& shortcut) {
    QAction* a =
        addAction(m_engineMenu, qPrintable(QStringLiteral("device-") + id), text, "", shortcut, [this, id] {
            if (m_settings.device() == id) return;
            m_settings.setDevice(id);
            useEngine();
        });
    a->setCheckable(true);
    a->setChecked(m_settings.device() == id);
    m_devices->addAction(a);
    return a;
}

void MainWindow::addPrecision(Precision p, const QString& text, const QKeySequence& shortcut) {
    const QString name = QStringLiteral("precision-") + QLatin1String(precisionName(p));
    QAction* a = addAction(m_engineMenu, qPrintable(name), text, "", shortcut, [this, p] {
        if (m_settings.precision() == p) return;
        m_settings.setPrecision(p);
        useEngine();
    });
    a->setCheckable(true);
    a->setChecked(m_settings.precision() == p);
    m_precisions->addAction(a);
}

void MainWindow::findDevices() {
    if (std::exchange(m_devicesSought, true)) return;
    // Asking a driver takes its time: not on this thread.
    JobHandle* job = m_session.pool()->post({{}, tr("Find devices"), false}, [](const JobScope&) {
        return Payload(std::make_shared<const std::vector<BackendInfo>>(listBackends()));
    });
    job->then(this, [this](const Outcome& outcome) {
        const auto found = outcome.as<std::vector<BackendInfo>>();
        if (!found) return;
        QAction* before = m_engineMenu->actions().value(2); // the separator
        for (const BackendInfo& b : *found) {
            const QString id = QString::fromStdString(b.id);
            if (action(QStringLiteral("device-") + id)) continue;
            QAction* a = addDevice(id, QString::fromStdString(b.description), {});
            a->setEnabled(b.available);
            a->setToolTip(QString::fromStdString(b.reason));
            m_engineMenu->insertAction(before, a);
        }
    });
}

void MainWindow::useEngine() {
    m_session.engine()->useBackend(
        [device = m_settings.device().toStdString(), precision = m_settings.precision()] {
            return makeBackend(device, 0, precision);
        });
}

} // namespace qs::app
