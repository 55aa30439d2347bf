// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings/Settings.h"

#include <QDir>
#include <QFileInfo>

namespace qs::app {

namespace {
const QString kRecent = QStringLiteral("recent/paths");
const QString kTheme = QStringLiteral("window/theme");
const QString kDevice = QStringLiteral("engine/device");
const QString kPrecision = QStringLiteral("engine/precision");
const QString kGeometry = QStringLiteral("window/geometry");
const QString kLayout = QStringLiteral("window/layout");
const QString kLayoutVersion = QStringLiteral("window/layoutVersion");
} // namespace

Settings::Settings(const QString& file, QObject* parent) : QObject(parent) {
    m_settings = file.isEmpty() ? std::make_unique<QSettings>(QSettings::IniFormat, QSettings::UserScope,
                                                              QStringLiteral("quantoscope"),
                                                              QStringLiteral("quantoscope"))
                                : std::make_unique<QSettings>(file, QSettings::IniFormat);
}

QStringList Settings::recentPaths() const {
    return m_settings->value(kRecent).toStringList();
}

QVector<Settings::RecentFile> Settings::recentFiles() const {
    QVector<RecentFile> out;
    for (const QString& path : recentPaths())
        out.push_back({path, QFileInfo::exists(path)});
    return out;
}

void Settings::addRecent(const QString& path) {
    if (path.isEmpty()) return;
    const QString clean = QDir::cleanPath(QFileInfo(path).absoluteFilePath());
    QStringList paths = recentPaths();
    paths.removeAll(clean);
    paths.prepend(clean);
    while (paths.size() > kMaxRecent)
        paths.removeLast();
    m_settings->setValue(kRecent, paths);
    emit recentChanged();
}

void Settings::removeRecent(const QString& path) {
    QStringList paths = recentPaths();
    if (paths.removeAll(path) == 0) return;
    m_settings->setValue(kRecent, paths);
    emit recentChanged();
}

void Settings::clearRecent() {
    m_settings->remove(kRecent);
    emit recentChanged();
}

ui::ThemeMode Settings::themeMode() const {
    const QString mode = m_settings->value(kTheme).toString();
    if (mode == QLatin1String("light")) return ui::ThemeMode::Light;
    if (mode == QLatin1String("dark")) return ui::ThemeMode::Dark;
    return ui::ThemeMode::System;
}

void Settings::setThemeMode(ui::ThemeMode mode) {
    m_settings->setValue(kTheme, mode == ui::ThemeMode::Light  ? QStringLiteral("light")
                                 : mode == ui::ThemeMode::Dark ? QStringLiteral("dark")
                                                               : QStringLiteral("system"));
}

QString Settings::device() const {
    return m_settings->value(kDevice, QStringLiteral("auto")).toString();
}
void Settings::setDevice(const QString& id) {
    m_settings->setValue(kDevice, id);
}

Precision Settings::precision() const {
    const auto stored = precisionFromName(m_settings->value(kPrecision).toString().toStdString());
    return stored ? *stored : Precision::F32;
}
void Settings::setPrecision(Precision p) {
    m_settings->setValue(kPrecision, QString::fromLatin1(precisionName(p)));
}

QByteArray Settings::geometry() const {
    return m_settings->value(kGeometry).toByteArray();
}
void Settings::setGeometry(const QByteArray& bytes) {
    m_settings->setValue(kGeometry, bytes);
}

QByteArray Settings::layout(int version) const {
    // Docks of another version have other names; restoring them would hide the new ones.
    return m_settings->value(kLayoutVersion).toInt() == version ? m_settings->value(kLayout).toByteArray()
                                                                : QByteArray();
}

void Settings::setLayout(const QByteArray& bytes, int version) {
    m_settings->setValue(kLayout, bytes);
    m_settings->setValue(kLayoutVersion, version);
}

QVariant Settings::value(const QString& key, const QVariant& fallback) const {
    return m_settings->value(QStringLiteral("view/") + key, fallback);
}

void Settings::setValue(const QString& key, const QVariant& value) {
    m_settings->setValue(QStringLiteral("view/") + key, value);
}

} // namespace qs::app
