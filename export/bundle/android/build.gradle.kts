// A library module: include it from an app's settings.gradle.kts with
//     include(":upscaler")
//     project(":upscaler").projectDir = file("path/to/bundle/android")
// The versions of the two plugins come from the app.
plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "clipfree.sr"
    compileSdk = 35
    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }
    // LiteRT maps models into memory, which it cannot do with compressed ones.
    androidResources { noCompress += listOf("tflite", "raw") }
}

// Manifest, models and golden pairs lie one folder above and become assets as they are.
val bundleAssets = tasks.register<Sync>("bundleAssets") {
    from(projectDir.parentFile) {
        include("manifest.json", "*.tflite", "golden/*.raw")
    }
    into(layout.buildDirectory.dir("bundleAssets"))
}
android.sourceSets["main"].assets.srcDir(bundleAssets.map { it.destinationDir })
tasks.named("preBuild") { dependsOn(bundleAssets) }

dependencies {
    // CPU: the interpreter. From 2.3 on the GPU is an artifact of its own; without it a wish for the
    // GPU is answered by the CPU, and the report says so.
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    implementation("com.google.ai.edge.litert:litert-gpu:2.3.0")

    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("androidx.test.ext:junit:1.2.1")
}
