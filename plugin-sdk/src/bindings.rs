//! Generated from `wit/`: the shared shapes, and one module for each exported interface.
//!
//! A world for each interface and not for each kind of plugin: the export macros of two worlds
//! with `lifecycle` in both would have the same name. `wit-component` merges what a plugin uses.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

pub mod shared {
    wit_bindgen::generate!({
        path: "../wit",
        world: "imports",
        generate_all,
        additional_derives: [PartialEq],
    });
}

pub mod lifecycle {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-lifecycle { export portcullis:policy/lifecycle@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "portcullis_plugin::bindings::lifecycle",
        with: {
            "portcullis:policy/types@0.1.1": crate::bindings::shared::portcullis::policy::types,
            "portcullis:policy/lifecycle@0.1.1": generate,
        },
    });
}

pub mod mask {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-mask { export portcullis:policy/mask@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_mask",
        default_bindings_module: "portcullis_plugin::bindings::mask",
        with: {
            "portcullis:policy/types@0.1.1": crate::bindings::shared::portcullis::policy::types,
            "portcullis:policy/mask@0.1.1": generate,
        },
    });
}

pub mod prefilter {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-prefilter { export portcullis:policy/prefilter@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_prefilter",
        default_bindings_module: "portcullis_plugin::bindings::prefilter",
        with: {
            "portcullis:policy/prefilter@0.1.1": generate,
        },
    });
}

pub mod risk {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-risk { export portcullis:policy/risk@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_risk",
        default_bindings_module: "portcullis_plugin::bindings::risk",
        with: {
            "portcullis:policy/types@0.1.1": crate::bindings::shared::portcullis::policy::types,
            "portcullis:policy/risk@0.1.1": generate,
        },
    });
}

pub mod guard {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-guard { export portcullis:policy/guard@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_guard",
        default_bindings_module: "portcullis_plugin::bindings::guard",
        with: {
            "portcullis:policy/types@0.1.1": crate::bindings::shared::portcullis::policy::types,
            "portcullis:policy/guard@0.1.1": generate,
        },
    });
}

pub mod meter {
    wit_bindgen::generate!({
        inline: "
            package portcullis:sdk;
            world export-meter { export portcullis:policy/meter@0.1.1; }
        ",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_meter",
        default_bindings_module: "portcullis_plugin::bindings::meter",
        with: {
            "portcullis:policy/types@0.1.1": crate::bindings::shared::portcullis::policy::types,
            "portcullis:policy/meter@0.1.1": generate,
        },
    });
}
